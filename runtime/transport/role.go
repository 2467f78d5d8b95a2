package transport

// Role says which party this process is. The server holds the weights, the
// client holds the input and learns the output.
type Role uint8

const (
	Server Role = iota
	Client
)

// Peer is the other party.
func (r Role) Peer() Role { return 1 - r }

// String names the role as the command line does.
func (r Role) String() string {
	if r == Server {
		return "server"
	}
	return "client"
}
