package he

import (
	"context"
	"crypto/rand"
	"math"
	"math/bits"
	"testing"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/ring"

	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/runtime/mpc/poly"
	"secc.example/secc/runtime/transport"
)

// lattigoParameters are lattigo's for the same ring, secrets and errors; it checks
// them by rules of its own.
func lattigoParameters(k wire.LinearKeys) (rlwe.Parameters, error) {
	return rlwe.NewParametersFromLiteral(rlwe.ParametersLiteral{
		LogN: bits.Len(uint(k.N)) - 1, Q: []uint64{k.Modulus}, NTTFlag: true,
		Xs: ring.Ternary{P: 2.0 / 3}, Xe: ring.DiscreteGaussian{Sigma: math.Sqrt(wire.NoiseEta / 2.0), Bound: wire.NoiseEta},
	})
}

// lattigoDecrypt opens (c0, c1) under a transformed secret with lattigo.
func lattigoDecrypt(p rlwe.Parameters, secret, c0, c1 []uint64) []uint64 {
	sk := rlwe.NewSecretKey(p)
	copy(sk.Value.Q.Coeffs[0], secret)
	p.RingQ().MForm(sk.Value.Q, sk.Value.Q)
	ct := rlwe.NewCiphertext(p, 1)
	copy(ct.Value[0].Coeffs[0], c0)
	copy(ct.Value[1].Coeffs[0], c1)
	ct.IsNTT = true
	pt := rlwe.NewPlaintext(p)
	rlwe.NewDecryptor(p, sk).Decrypt(ct, pt)
	p.RingQ().INTT(pt.Value, pt.Value)
	return pt.Value.Coeffs[0]
}

// noiseBound is the largest magnitude centred binomial noise can have.
const noiseBound = wire.NoiseEta

// small reports whether every coefficient is within the noise of zero.
func small(r *poly.Ring, p []uint64) bool {
	v := make([]int64, len(p))
	r.ToSigned(v, p)
	for _, x := range v {
		if x < -noiseBound || x > noiseBound {
			return false
		}
	}
	return true
}

// Keys are what lattigo takes them for: public keys encrypt zero, switching keys
// encrypt the powers of the gadget times the image of the secret.
func TestKeysAgainstLattigo(t *testing.T) {
	spec := wire.LinearKeys{N: testDegree, Modulus: testModulus, Secrets: 3}
	spec.Levels[2], spec.Levels[3] = []int{1, 4}, []int{11}
	ctx := context.Background()
	var server *Server
	var client *Client
	s, c := pair(func(conn transport.Conn) (err error) {
		server, err = NewServer(ctx, conn, spec, rand.Reader)
		return err
	}, func(conn transport.Conn) (err error) {
		client, err = NewClient(ctx, conn, spec, rand.Reader)
		return err
	})
	if s != nil || c != nil {
		t.Fatal(s, c)
	}
	params, err := lattigoParameters(spec)
	if err != nil {
		t.Fatal(err)
	}
	r, image := client.ring, client.ring.NewPoly()
	for id, b := range server.keys {
		a := server.publicA
		if id.digits > 0 {
			a = server.switchA[keyID{id.digits, id.level, id.d, 0}]
		}
		got := lattigoDecrypt(params, client.secrets[id.secret], b, a)
		if id.digits > 0 {
			base, drop := wire.Gadget(id.digits)
			server.levels[id.level].auto.NTT(image, client.secrets[id.secret])
			r.InvNTT(image)
			r.MulScalar(image, image, 1<<(drop+base*id.d))
			r.Sub(got, got, image)
		}
		if !small(r, got) {
			t.Errorf("key %+v does not open to what it should", id)
		}
	}
	if want := 3 * (1 + 2*2 + 3); len(server.keys) != want {
		t.Errorf("%d keys, want %d", len(server.keys), want)
	}
}
