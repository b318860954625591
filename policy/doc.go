// Package policy decides which model a call may use and where it goes.
//
// It holds two sets of rules, both pure and without state:
//
//   - [Rules] say which names may be used at all. A denied name stays denied whatever else allows
//     it, and a name is matched whole: "gpt-4" says nothing about "gpt-4o".
//   - A [Router] turns the name a caller asked for into a [Route]: the providers to try, and the
//     name each of them knows the model by.
//
// The two meet in [Rules.Apply], which takes a route and leaves out every target the rules forbid,
// so that a model cannot be reached under another spelling of its name:
//
//	route, err := router.Resolve("openai/gpt-4o", policy.OpenAI)
//	if err == nil {
//		route, err = rules.Apply("openai/gpt-4o", route)
//	}
//
// The package knows nothing of prices, limits or HTTP. Everything in it is safe for concurrent use.
package policy
