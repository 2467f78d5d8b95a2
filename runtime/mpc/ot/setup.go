package ot

import (
	"fmt"
	"io"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/prg"
	"secc.example/secc/runtime/transport"
)

// The one-time setup of a direction. Flights, all on the direction's channel:
//
//	receiver -> sender  hello, 96 bytes
//	sender -> receiver  points, 4128 bytes
//	receiver -> sender  level sums and their check, then all SoftSpoken corrections
//	sender -> receiver  all tree messages (Ferret only)
//
// The last two are streamed as OTs are made; nothing goes back and forth after the setup.

// setupSender ends with an extension that makes total OTs.
func setupSender(conn transport.Conn, cfg Config, total int64, delta prg.Block, rand io.Reader) (extension, session, error) {
	choice := prg.Block{^delta[0], ^delta[1]}
	sess, keys, err := baseReceive(conn, cfg.tag(total), choice, rand)
	if err != nil {
		return nil, sess, err
	}
	soft := func(k int, n int64) (extension, error) {
		seeds, msg, err := receiveSeeds(conn, k, delta, &keys)
		if err != nil {
			return nil, err
		}
		return &softSender{soft: newSoft(conn, k, seeds, sess.binding(msg), n), delta: delta}, nil
	}
	ext, err := stack(cfg, total, sess, soft, func(p wire.FerretSet, key prg.Block, n int64, first []prg.Block) extension {
		f := newFerret(conn, p, key, n, first)
		f.delta = delta
		return f
	})
	return ext, sess, err
}

// setupReceiver is the receiver's half of setupSender.
func setupReceiver(conn transport.Conn, cfg Config, total int64, rand io.Reader) (extension, session, error) {
	sess, keys, err := baseSend(conn, cfg.tag(total), rand)
	if err != nil {
		return nil, sess, err
	}
	soft := func(k int, n int64) (extension, error) {
		roots, err := randomBlocks(rand, wire.BaseOTs/k)
		if err != nil {
			return nil, err
		}
		seeds, msg, err := sendSeeds(conn, k, roots, &keys)
		if err != nil {
			return nil, err
		}
		return &softReceiver{newSoft(conn, k, seeds, sess.binding(msg), n)}, nil
	}
	ext, err := stack(cfg, total, sess, soft, func(p wire.FerretSet, key prg.Block, n int64, first []prg.Block) extension {
		f := newFerret(conn, p, key, n, first)
		f.receives = true
		return f
	})
	return ext, sess, err
}

// stack puts the wanted extension on top of those that bootstrap it: SoftSpoken
// alone, or SoftSpoken, then the small Ferret set if the wanted one is big, then that.
func stack(cfg Config, total int64, sess session,
	soft func(k int, n int64) (extension, error),
	silent func(p wire.FerretSet, key prg.Block, n int64, first []prg.Block) extension,
) (extension, error) {
	if cfg.Kind == wire.SoftSpoken {
		return soft(cfg.K, total)
	}
	wants := []int64{total}
	chain := wire.FerretChain(cfg.Set)
	for i := len(chain) - 1; i >= 0; i-- { // backwards: each must make what the next begins with
		wants = append(wants, int64(chain[i].First(wants[len(wants)-1])))
	}
	ext, err := soft(wire.BootstrapK, wants[len(wants)-1])
	for i := 0; i < len(chain) && err == nil; i++ {
		first := table(int(wants[len(chain)-i]))
		if err = ext.fill(first); err == nil {
			err = ext.flush()
			key := sess.key(fmt.Sprint("ferret ", i))
			ext = silent(chain[i], key, wants[len(chain)-i-1], first)
		}
	}
	return ext, err
}

func randomBlocks(rand io.Reader, n int) ([]prg.Block, error) {
	buf := make([]byte, n*prg.BlockSize)
	if _, err := io.ReadFull(rand, buf); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	out := make([]prg.Block, n)
	for i := range out {
		out[i] = prg.Load(buf[i*prg.BlockSize:])
	}
	return out, nil
}
