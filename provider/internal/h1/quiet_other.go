//go:build !unix

package h1

// able says whether the state of an idle connection can be seen.
const able = false

func (c *conn) quiet() bool { return false }
