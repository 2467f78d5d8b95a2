// Package exit turns errors into exit codes and hints. The codes are part of the
// interface of every command.
package exit

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime/client"
	"secc.example/secc/runtime/transport"
)

// The exit codes.
const (
	OK          = 0
	Other       = 1
	Usage       = 2 // flags, files and inputs that cannot be used
	Unsupported = 3 // the model is malformed or not supported
	Tolerance   = 4 // an answer is outside the tolerance
	Mismatch    = 5 // the parties do not run the same plan, or do not mean the same run
	Network     = 6
	Auth        = 7
	Violation   = 8 // the peer sent what the protocol does not allow
	Resources   = 9
	Interrupted = 130 // Ctrl-C or SIGTERM
)

// codedError carries an exit code that cannot be read off the error itself.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// Coded gives an error an exit code.
func Coded(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

// Usagef is an error of the user's command line or files.
func Usagef(format string, args ...any) error { return &codedError{Usage, fmt.Errorf(format, args...)} }

// hintedError adds a line that says what to do.
type hintedError struct {
	error
	text string
}

func (e *hintedError) Unwrap() error { return e.error }

// Hinted adds to an error what to do about it.
func Hinted(err error, text string) error { return &hintedError{err, text} }

// Hint is what to do about an error, or nothing.
func Hint(err error) string {
	var h *hintedError
	if errors.As(err, &h) {
		return h.text
	}
	for _, of := range []func(error) string{input.Hint, ofCertificates} {
		if way := of(err); way != "" {
			return way
		}
	}
	switch {
	case errors.Is(err, transport.ErrStale):
		return "what it held of that session was burned; ask again, and leave the folder of --store out of backups and copies"
	case errors.Is(err, transport.ErrVersion):
		return "use the same release of secc on both sides (secc version)"
	case errors.Is(err, transport.ErrMismatch):
		return "both parties need the same .plan file, and the server the .weights file made with it"
	case errors.Is(err, transport.ErrBusy):
		return "try again later; the server's --max-sessions says how many it serves at once"
	case errors.Is(err, transport.ErrAuth):
		return "check --tls-cert, --tls-key and --tls-ca on both sides"
	case errors.Is(err, transport.ErrClear):
		return "give --tls-cert and --tls-key (client: --tls-ca), or --insecure on a network you trust"
	}
	return ""
}

// ofCertificates says what to do about certificates that were refused. What the other side refuses
// it says in an alert, of which only the text is known here.
func ofCertificates(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "--tls-ca names the file of the authority that signed the other side's certificate, and this is not it; without it the system's authorities count"
	case errors.As(err, &name):
		return "the certificate is for another name: check the address, or give that name with --tls-server-name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the other side's certificate is not valid now: whoever runs it has to renew it, or a clock is wrong (secc cert show FILE)"
	case !errors.Is(err, transport.ErrAuth):
		return ""
	}
	for text, way := range map[string]string{
		"tls: certificate required":          "the other side wants a certificate of this one: --tls-cert and --tls-key",
		"tls: expired certificate":           "the certificate of --tls-cert is not valid now: have it renewed, or a clock is wrong (secc cert show FILE)",
		"it has expired on":                  "the certificate of --tls-cert is not valid now: have it renewed, or a clock is wrong (secc cert show FILE)",
		"it is not one for":                  "secc cert issue NAME makes one for clients, with --host one for servers",
		"tls: unknown certificate authority": "the other side does not know who signed the certificate of --tls-cert",
	} {
		if strings.Contains(err.Error(), text) {
			return way
		}
	}
	return ""
}

// OfTLS says of an error of the files for TLS that they cannot be used, or that a certificate does
// not hold.
func OfTLS(err error) error {
	if errors.Is(err, transport.ErrAuth) {
		return err
	}
	return Usagef("%w", err)
}

// OfClient says of an error of client.Infer what the user can do about it.
func OfClient(err error) error {
	var connect *client.ConnectError
	switch {
	case errors.Is(err, transport.ErrClear), errors.Is(err, client.ErrInput):
		return Coded(Usage, err)
	case errors.As(err, &connect) && !errors.Is(err, transport.ErrAuth):
		if err = Coded(Network, err); Hint(err) == "" {
			err = Hinted(err, "is the server running, and is the address right?")
		}
	}
	return err
}

// Code classifies an error.
func Code(err error) int {
	var c *codedError
	var netErr net.Error
	var file *fs.PathError
	switch {
	case err == nil:
		return OK
	case errors.As(err, &c):
		return c.code
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Resources
	case errors.As(err, &file):
		return Usage // before the network: the errors of files can be told from its only by their type
	case errors.Is(err, transport.ErrMismatch), errors.Is(err, transport.ErrStale):
		return Mismatch
	case errors.Is(err, transport.ErrAuth):
		return Auth
	case errors.Is(err, transport.ErrViolation):
		return Violation
	case errors.Is(err, transport.ErrResources):
		return Resources
	case errors.Is(err, transport.ErrPeerClosed), errors.Is(err, transport.ErrTimeout), errors.Is(err, transport.ErrPeerFailed), errors.Is(err, transport.ErrBusy),
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr):
		return Network
	}
	return Other
}
