package budget

import "syscall"

// bootID names this start of the machine; empty if it cannot be known, and then a journal proves nothing.
func bootID() string {
	id, err := syscall.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
