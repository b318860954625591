// Package verify holds the ledger against a provider's own books: its usage or cost export, by UTC day and model.
//
// [Read] reads an export of OpenAI or Anthropic, from their administration APIs (JSON) or their consoles (CSV), into lines. [Compare] sets them beside the
// sums of the ledger's calls ([store.Ledger.DaySums]) and what is open ([store.Ledger.OpenDoubts]), and says of each day and model whether they agree, and which
// unconfirmed calls the export proves: billed, or not. It changes nothing; what is proven is a list of [store.Settlement] for [store.Ledger.Settle].
//
// # What proves what
//
// Tokens and dollars in an export are sums over all calls of a day and model, and no part of a sum is negative. So if a sum is exactly that of the calls whose cost is
// known, every other call of that day and model cost nothing, whoever made it. If it is more, the rest was spent by the calls in doubt, provided that
// nobody else uses the provider's account, or the export is of our keys alone: a surplus anywhere that no doubt explains shows that somebody does, and then no surplus is booked.
//
// Amounts are decimal text, read into pico-dollars and never through floats. An export that rounds agrees within its rounding, and proves no dollars.
package verify
