package sqlite

import "fmt"

func remoteError(dir, name string) error {
	return fmt.Errorf("database folder %s lies on %s, whose file locks cannot prove which processes live, so a budget "+
		"on it could be spent twice; choose a folder on a local disk", dir, name)
}
