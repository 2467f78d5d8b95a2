package nonlinear

import (
	"context"
	"slices"
	"testing"

	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/transport"
)

// ordered notes in which order a party takes from the two directions.
type ordered struct {
	Correlations
	role  transport.Role
	taken []transport.Role // who is OT sender
}

func (o *ordered) Send(ctx context.Context, n int) (SendPads, error) {
	o.taken = append(o.taken, o.role)
	return o.Correlations.Send(ctx, n)
}

func (o *ordered) Recv(ctx context.Context, n int) (RecvPads, error) {
	o.taken = append(o.taken, o.role.Peer())
	return o.Correlations.Recv(ctx, n)
}

// Both parties take from the two directions in one order: otherwise each could
// wait for what the other does not make while it waits.
func TestBothPartiesTakeInOneOrder(t *testing.T) {
	for _, c := range uniformCases() {
		if c.name == "LinearOT" { // takes seeds, of one direction
			continue
		}
		pair := mpctest.NewPair(3)
		var order [2]*ordered
		err := pair.Run(func(ctx context.Context, role transport.Role) error {
			order[role] = &ordered{Correlations: From(pair.Sources(role)), role: role}
			return c.run(ctx, &Party{Role: role, Conn: pair.Conn[role], Corr: order[role]}, make([]uint64, 64))
		})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !slices.Equal(order[0].taken, order[1].taken) {
			t.Errorf("%s: the server takes %v, the client %v", c.name, order[0].taken, order[1].taken)
		}
	}
}
