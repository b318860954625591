//go:build unix

package child

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// hiddenVariable says from which descriptor the variables are read that are not in the environment.
const hiddenVariable = "AUREA_EXEC_HIDDEN"

// mostHidden fits the buffer of a pipe, which nobody reads until it is written.
const mostHidden = 60 << 10

// Hide starts the program anew in its place, with the variables in a pipe and no longer in its environment: whoever may look at a process of ours finds its environment in /proc
// as it was at the start. It returns only on an error, or if there is nothing to hide.
func Hide(names []string) error {
	values := map[string]string{}
	var environ []string
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if slices.Contains(names, name) {
			values[name] = value
		} else if name != hiddenVariable {
			environ = append(environ, variable)
		}
	}
	if len(values) == 0 {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(values)
	if err != nil || len(text) > mostHidden {
		return fmt.Errorf("%d bytes of credentials in the environment: %w", len(text), err)
	}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		return err
	}
	if _, err := unix.Write(pipe[1], text); err != nil {
		return err
	}
	_ = unix.Close(pipe[1])
	return syscall.Exec(program, os.Args, append(environ, hiddenVariable+"="+strconv.Itoa(pipe[0]))) // #nosec G204 G702 -- ourselves, as we were called
}

// Hidden returns what [Hide] has hidden, and whether it has, and closes the process to those who may not trace any.
func Hidden() (map[string]string, bool) {
	seal()
	text, ok := os.LookupEnv(hiddenVariable)
	if !ok {
		return nil, false
	}
	_ = os.Unsetenv(hiddenVariable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, false
	}
	f := os.NewFile(uintptr(fd), "hidden")
	defer f.Close()
	values := map[string]string{}
	b, err := io.ReadAll(io.LimitReader(f, mostHidden))
	if err != nil || json.Unmarshal(b, &values) != nil {
		return nil, false
	}
	return values, true
}
