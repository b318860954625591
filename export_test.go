package aurea

import "time"

func init() { tokenizeFor = time.Minute }
