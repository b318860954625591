package redact

// Type is the kind of a [Finding].
type Type uint8

// The types of findings. Their numbers may change between versions; their names do not.
const (
	Email Type = iota + 1
	Phone
	SSN
	Card
	IP
	Key // keys, tokens, private keys, Authorization values
	Password
	IBAN
	BirthDate
	Own // a literal or pattern of [Options]
)

var typeNames = [...]string{IBAN: "IBAN", BirthDate: "DOB", Own: "OWN", Email: "EMAIL", Phone: "PHONE", SSN: "SSN", Card: "CARD", IP: "IP", Key: "KEY", Password: "PASSWORD"}

// String returns the name of the type as it stands in placeholders: EMAIL, PHONE and so on.
func (t Type) String() string {
	if int(t) < len(typeNames) && t > 0 {
		return typeNames[t]
	}
	return "UNKNOWN"
}

// Credential reports that the type is a secret and not personal data: it is looked for whatever
// [Options] say.
func (t Type) Credential() bool { return t == Key || t == Password }

// Finding is where personal data or a credential stands in a text: text[Start:End].
type Finding struct {
	Start, End int
	Type       Type
}

// labelTypes is the type of each label.
var labelTypes = [...]Type{
	labelEmail: Email, labelPhone: Phone, labelSSN: SSN, labelCard: Card, labelIP: IP, labelKey: Key, labelPassword: Password,
	labelToken: Key, labelAuth: Key, labelField: Own, labelIBAN: IBAN, labelBirth: BirthDate,
}

func kindLabel(kind nameKind) label {
	if kind == namePassword || kind == nameSecret {
		return labelPassword
	}
	return labelKey
}

// Find appends the findings in text to dst, in order and without overlap, and returns the extended
// slice. It allocates nothing when nothing is found. The text is taken as it is: who has JSON finds
// more in its decoded strings.
func (r *Redactor) Find(dst []Finding, text []byte) []Finding { return r.FindNamed(dst, "", text) }

// FindNamed is [Redactor.Find] for the value of a field: the name is context for numbers, such as
// "phone" and "card". It does not find the value as a whole if the name is a sensitive one; see
// [Redactor.SensitiveName].
func (r *Redactor) FindNamed(dst []Finding, name string, text []byte) []Finding {
	s := r.scanner(view(text), name)
	s.finding, s.found = true, dst
	s.run(0)
	return s.found
}
