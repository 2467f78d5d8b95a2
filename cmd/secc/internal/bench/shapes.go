package bench

import "secc.example/secc/backend/plan"

// convShape is count convolutions with square inputs, kernels and strides, and
// equal padding on all sides.
type convShape struct{ count, in, out, side, kernel, stride, pad int }

// linear is the operator in the formats of the benchmark: k = 16 bits, weights
// of 12 fraction bits with filters of norm 1.
func (s convShape) linear() plan.Linear {
	out := (s.side+2*s.pad-s.kernel)/s.stride + 1
	return plan.Linear{
		Batch: 1, G: 1, CIn: s.in, COut: s.out, H: s.side, W: s.side, OH: out, OW: out,
		KH: s.kernel, KW: s.kernel, SH: s.stride, SW: s.stride, DH: 1, DW: 1, PT: s.pad, PL: s.pad,
		InBits: 16 + benchShift, Shift: benchShift, OutBits: 16, NormLog2: benchShift,
	}
}

const benchShift = 12

// resnet50 are the convolutions of ResNet-50 (onnx/onnx light_resnet50) at 224.
func resnet50() []convShape {
	return []convShape{
		{1, 3, 64, 224, 7, 2, 3},
		{1, 64, 64, 56, 1, 1, 0}, {3, 64, 64, 56, 3, 1, 1}, {4, 64, 256, 56, 1, 1, 0}, {2, 256, 64, 56, 1, 1, 0},
		{1, 256, 128, 56, 1, 1, 0}, {1, 128, 128, 56, 3, 2, 1}, {4, 128, 512, 28, 1, 1, 0}, {1, 256, 512, 56, 1, 2, 0},
		{3, 512, 128, 28, 1, 1, 0}, {3, 128, 128, 28, 3, 1, 1},
		{1, 512, 256, 28, 1, 1, 0}, {1, 256, 256, 28, 3, 2, 1}, {6, 256, 1024, 14, 1, 1, 0}, {1, 512, 1024, 28, 1, 2, 0},
		{5, 1024, 256, 14, 1, 1, 0}, {5, 256, 256, 14, 3, 1, 1},
		{1, 1024, 512, 14, 1, 1, 0}, {1, 512, 512, 14, 3, 2, 1}, {3, 512, 2048, 7, 1, 1, 0}, {1, 1024, 2048, 14, 1, 2, 0},
		{2, 2048, 512, 7, 1, 1, 0}, {2, 512, 512, 7, 3, 1, 1},
	}
}

// densenet121 are those of DenseNet-121 (light_densenet121) at 224: in a block,
// every layer is a 1x1 to 128 channels and a 3x3 to 32, and sees 32 channels
// more than the one before; a 1x1 halves the channels after a block.
func densenet121() []convShape {
	s := []convShape{{1, 3, 64, 224, 7, 2, 3}}
	channels, side := 64, 56
	for _, layers := range []int{6, 12, 24, 16} {
		for range layers {
			s = append(s, convShape{1, channels, 128, side, 1, 1, 0}, convShape{1, 128, 32, side, 3, 1, 1})
			channels += 32
		}
		if side > 7 {
			s = append(s, convShape{1, channels, channels / 2, side, 1, 1, 0})
			channels, side = channels/2, side/2
		}
	}
	return append(s, convShape{1, 1024, 1000, 1, 1, 1, 0})
}

// squeezenet11 are those of SqueezeNet 1.1 (light_squeezenet) at 224.
func squeezenet11() []convShape {
	s := []convShape{{1, 3, 64, 224, 3, 2, 0}}
	fire := func(side, in, squeeze, expand int) {
		s = append(s, convShape{1, in, squeeze, side, 1, 1, 0}, convShape{1, squeeze, expand, side, 1, 1, 0}, convShape{1, squeeze, expand, side, 3, 1, 1})
	}
	fire(55, 64, 16, 64)
	fire(55, 128, 16, 64)
	fire(27, 128, 32, 128)
	fire(27, 256, 32, 128)
	fire(13, 256, 48, 192)
	fire(13, 384, 48, 192)
	fire(13, 384, 64, 256)
	fire(13, 512, 64, 256)
	return append(s, convShape{1, 512, 1000, 13, 1, 1, 0})
}
