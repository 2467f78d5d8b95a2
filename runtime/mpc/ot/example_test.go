package ot_test

import (
	"context"
	"crypto/rand"
	"fmt"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/mpctest"
	"secc.example/secc/runtime/mpc/ot"
)

// Two parties make a thousand random OTs; the sender knows both pads of each,
// the receiver the one that its random choice bit selects.
func Example() {
	ctx := context.Background()
	a, b := mpctest.Pipe() // in earnest: a channel of a transport.Mux on either side
	cfg := ot.Config{Kind: wire.Ferret, Set: 10}

	sender, err := ot.NewSender(ctx, a, cfg, 1000, rand.Reader)
	if err != nil {
		panic(err)
	}
	defer sender.Close()
	receiver, err := ot.NewReceiver(ctx, b, cfg, 1000, rand.Reader)
	if err != nil {
		panic(err)
	}
	defer receiver.Close()

	out, err := sender.Take(ctx, 1000) // waits until they are made
	if err != nil {
		panic(err)
	}
	in, err := receiver.Take(ctx, 1000)
	if err != nil {
		panic(err)
	}
	p0, p1 := out.Pads(32)
	choice, p := in.Pads(32)
	right := 0
	for i := range p {
		if want := [2]uint64{p0[i], p1[i]}; p[i] == want[choice[i/64]>>(i%64)&1] {
			right++
		}
	}
	fmt.Println(right, "of 1000")
	// Output: 1000 of 1000
}
