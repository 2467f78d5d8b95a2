package ir

import (
	"strings"
	"testing"
)

// realText uses every operator of the real phase.
const realText = `graph "real"
%1 = input "x" : client real[1,4,6,6]
%2 = const "w" {all=0.5} : server real[8,4,3,3]
%3 = const "b" {data=[1,2,3,4,5,6,7,-8.25]} : server real[8]
%4 = conv(%1, %2, %3) "c1" {strides=[1,2] pads_begin=[1,0] pads_end=[1,2]} : shared real[1,8,6,3]
%5 = batch_norm(%4, %3, %3) "bn" : shared real[1,8,6,3]
%6 = relu(%5) "r" : shared real[1,8,6,3]
%7 = relu(%5, %3) : shared real[1,8,6,3]
%8 = const "slope" {data=[0.25]} : public real[1]
%9 = prelu(%6, %8) "p" : shared real[1,8,6,3]
%10 = clip(%9) "relu6" {max=6} : shared real[1,8,6,3]
%11 = max(%7, %10) : shared real[1,8,6,3]
%12 = min(%11, %10) : shared real[1,8,6,3]
%13 = abs(%12) : shared real[1,8,6,3]
%14 = max_pool(%13) "mp" {kernel=[2,2] strides=[2,2] ceil} : shared real[1,8,3,2]
%15 = sum_pool(%14) {kernel=[2,1]} : shared real[1,8,2,2]
%16 = avg_pool(%15) {kernel=[2,2] pads_begin=[1,1] count_include_pad} : shared real[1,8,2,2]
%17 = add(%16, %15) : shared real[1,8,2,2]
%18 = sub(%17, %8) : shared real[1,8,2,2]
%19 = neg(%18) : shared real[1,8,2,2]
%20 = mul(%19, %8) : shared real[1,8,2,2]
%21 = div(%20, %8) : shared real[1,8,2,2]
%22 = sum(%21) {axes=[2,3] keep} : shared real[1,8,1,1]
%23 = reduce_max(%21) {axes=[1]} : shared real[1,2,2]
%24 = argmax(%21) {axes=[1] last} : shared real[1,2,2]
%25 = func(%21) "g" {name=gelu} : shared real[1,8,2,2]
%26 = func(%25) {name=selu alpha=1.6732632423543772 beta=1.0507009873554805} : shared real[1,8,2,2]
%27 = reshape(%26) {shape=[1,32]} : shared real[1,32]
%28 = transpose(%27) {perm=[1,0]} : shared real[32,1]
%29 = matmul(%27, %28) : shared real[1,1]
%30 = concat(%27, %27) {axis=1} : shared real[1,64]
%31 = slice(%30) {start=[0,63] step=[1,-3] size=[1,7]} : shared real[1,7]
%32 = pad(%31) {before=[0,1] after=[0,2] value=-1.5} : shared real[1,10]
%33 = pad(%32) {before=[0,3] after=[0,2] mode=reflect} : shared real[1,15]
%34 = gather(%33) {axis=1 index=[0,4,4,2]} : shared real[1,4]
%35 = expand(%34) {shape=[2,3,4]} : shared real[2,3,4]
%36 = softmax(%35) {axis=2} : shared real[2,3,4]
%37 = log_softmax(%36) {axis=1} : shared real[2,3,4]
%38 = conv_transpose(%4, %2) {strides=[2,2] output_pad=[1,0]} : shared real[1,4,14,7]
%39 = one_hot(%29) {depth=3 from_end strict} : shared real[1,1,3]
%40 = lookup(%29, %2) : shared real[1,1,4,3,3]
return %37, %38, %22, %23, %24, %29, %39, %40
`

// fixedText uses every operator of the fixed phase.
const fixedText = `graph "fixed"
%1 = input "x" : client i16.8[1,2,4,4]
%2 = extend(%1) {bits=24} : client i24.8[1,2,4,4]
%3 = const "w" {all=3} : server i10.8[2,2,1,1]
%4 = const "b" {data=[100,-2000]} : server i24.16[2]
%5 = conv(%2, %3, %4) "c" {shift=8} : shared i16.8[1,2,4,4]
%6 = const "flip" {data=[1,0]} : server i2.0[2]
%7 = relu(%5, %6) {lo=2 hi=14} : shared i16.8[1,2,4,4]
%8 = max_pool(%7) {kernel=[2,2] strides=[2,2] hi=15} : shared i16.8[1,2,2,2]
%9 = extend(%8) {bits=26 non_neg} : shared i26.8[1,2,2,2]
%10 = const "s" {data=[5,-6]} : server i10.8[2]
%11 = const "t" {data=[5,-600]} : server i26.16[2]
%12 = batch_norm(%9, %10, %11) {shift=10 exact} : shared i16.6[1,2,2,2]
%13 = truncate(%12) {shift=2 bits=12} : shared i12.4[1,2,2,2]
%14 = reduce(%13) {bits=10} : shared i10.4[1,2,2,2]
%15 = rescale(%14) {frac=-1} : shared i10.-1[1,2,2,2]
%16 = clip(%15) {max=64 hi=9} : shared i10.-1[1,2,2,2]
%17 = abs(%16) : shared i10.-1[1,2,2,2]
%18 = max(%17, %15) {lo=1} : shared i10.-1[1,2,2,2]
%19 = min(%18, %15) : shared i10.-1[1,2,2,2]
%20 = sub(%19, %18) : shared i10.-1[1,2,2,2]
%21 = neg(%20) : shared i10.-1[1,2,2,2]
%22 = add(%21, %20) : shared i10.-1[1,2,2,2]
%23 = mul(%22, %22) {shift=1} : shared i9.-3[1,2,2,2]
%24 = func(%22) {name=sigmoid out=i12.10} : shared i12.10[1,2,2,2]
%25 = sum_pool(%24) {kernel=[2,2]} : shared i12.10[1,2,1,1]
%26 = sum(%24) {axes=[1] keep} : shared i12.10[1,1,2,2]
%27 = const "slope" {data=[7]} : server i8.6[1]
%28 = prelu(%26, %27) {shift=4} : shared i8.12[1,1,2,2]
%29 = pad(%28) {before=[0,0,1,1] after=[0,0,0,0]} : shared i8.12[1,1,3,3]
%30 = matmul(%29, %29) : shared i8.24[1,1,3,3]
%31 = reduce_max(%30) {axes=[3]} : shared i8.24[1,1,3]
%32 = argmax(%31) {axes=[2]} : shared i8.0[1,1]
%33 = reveal(%32) : client i8.0[1,1]
%34 = reveal(%25) : client i12.10[1,2,1,1]
%35 = to_real(%34) : client real[1,2,1,1]
%36 = softmax(%35) {axis=1} : client real[1,2,1,1]
%37 = reveal(%23) : client i9.-3[1,2,2,2]
%38 = tile_in(%23) {side=3 every=1 matrix=[1,0,0,0,1,0,0,0,1] size=[2,2]} : shared i9.-3[1,18,2,2]
%39 = tile_out(%38) {side=3 every=1 matrix=[1,1,1] size=[2,2]} : shared i9.-3[1,2,2,2]
%40 = reveal(%39) : client i9.-3[1,2,2,2]
return %33, %36, %37, %40
`

func parse(t testing.TB, text string) *Graph {
	t.Helper()
	g, err := Parse(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTextRoundTrip(t *testing.T) {
	for _, c := range []struct {
		text  string
		phase Phase
	}{{realText, Real}, {fixedText, Fixed}} {
		g := parse(t, c.text)
		if err := Verify(g, c.phase); err != nil {
			t.Error(err)
		}
		if got := Print(g); got != c.text {
			t.Errorf("printed differently:\n%s", got)
		}
		clone, _ := g.Clone()
		if got := Print(clone); got != c.text {
			t.Errorf("clone printed differently:\n%s", got)
		}
	}
}

// TestTextCoversOps keeps the two texts complete.
func TestTextCoversOps(t *testing.T) {
	for _, op := range Ops() {
		if !strings.Contains(realText+fixedText, "= "+string(op)) {
			t.Errorf("operator %s is in neither text", op)
		}
		info, _ := Lookup(op)
		if info.Class == Leaf || op == OpToReal {
			continue
		}
		if info.Infer == nil || info.Real == nil && info.Fixed == nil {
			t.Errorf("operator %s has no meaning", op)
		}
	}
}

func TestLongConstants(t *testing.T) {
	data := make([]float32, 100)
	for i := range data {
		data[i] = float32(i) / 7
	}
	g := &Graph{Name: "long"}
	must(t)(g.Const("w", NewReal([]int{100}, data)))
	g.Outputs = g.Values
	text, long := PrintAll(g, 16)
	if _, err := Parse(text, nil); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("digest without data: %v", err)
	}
	h, err := Parse(text, long)
	if err != nil || Print(h) != text {
		t.Errorf("%v\n%s", err, Print(h))
	}
	inline, _ := PrintAll(g, 1000)
	if again, _ := PrintAll(parse(t, inline), 1000); again != inline || Print(parse(t, inline)) != text {
		t.Error("written out and read again, the constant differs")
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "without a return"},
		{"%1 = input \"x\"", "need a type"},
		{"%1 = input : client real[0]\nreturn %1", "no or too many"},
		{"%1 = input : client real[2]\n%1 = neg(%1)\nreturn %1", "twice"},
		{"%1 = neg(%2)", "not defined"},
		{"%1 = frob : client real[1]", "no operator"},
		{"%1 = const {data=[1,2]} : server real[3]", "2 elements"},
		{"%1 = const {all=1} : server real[100000000]", "more than"},
		{"%1 = const {data=[9]} : server i4.0[1]", "cannot hold"},
		{"%1 = const {digest=00} : server real[1]", "digest"},
		{"%1 = input : client real[2]\n%2 = relu(%1) {frob=1}", "does not have"},
		{"%1 = input : client real[2]\n%2 = relu(%1) {lo=x}", "attribute lo"},
		{"%1 = input : client real[2]\n%2 = relu(%1) {lo=1}", "real number"},
		{"%1 = input : client real[2]\n%2 = neg(%1) : client real[3]", "is said to be"},
		{"%1 = input : client real[2]\nreturn %1\n%2 = neg(%1)", "after the return"},
		{"%1 = input : client real[2] junk", "more on the line"},
		{"%1 = input : bob real[2]", "no holder"},
		{"%1 = input : client i99.1[2]", "no format"},
	} {
		if _, err := Parse(c.text, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngave %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(realText)
	f.Add(fixedText)
	f.Add("graph \"\"\n%5 = const {data=[NaN,-Inf]} : public real[2] @\"x y\" # hm\nreturn %5")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text, nil)
		if err != nil {
			return
		}
		again, long := PrintAll(g, 16)
		h, err := Parse(again, long)
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if third := Print(h); third != again {
			t.Fatalf("%s\nis then\n%s", again, third)
		}
	})
}
