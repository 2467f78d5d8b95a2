package input

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/suyashkumar/dicom"
	"github.com/suyashkumar/dicom/pkg/tag"
	"github.com/suyashkumar/dicom/pkg/uid"
)

// jpegSyntaxes are the compressed transfer syntaxes whose frames are read.
var jpegSyntaxes = map[string]bool{
	"1.2.840.10008.1.2.4.50": true, // baseline
	"1.2.840.10008.1.2.4.51": true, // extended; frames of 12 bits are refused where they are met
}

// packedSyntaxes are those that hospitals use and that are not read, with the
// command that unpacks them.
var packedSyntaxes = []struct{ id, name, unpack string }{
	{"1.2.840.10008.1.2.4.57", "JPEG lossless", "dcmdjpeg in.dcm out.dcm"},
	{"1.2.840.10008.1.2.4.70", "JPEG lossless, first-order prediction", "dcmdjpeg in.dcm out.dcm"},
	{"1.2.840.10008.1.2.4.80", "JPEG-LS lossless", "dcmdjpls in.dcm out.dcm"},
	{"1.2.840.10008.1.2.4.81", "JPEG-LS near-lossless", "dcmdjpls in.dcm out.dcm"},
	{"1.2.840.10008.1.2.4.90", "JPEG 2000 lossless", gdcmUnpack},
	{"1.2.840.10008.1.2.4.91", "JPEG 2000", gdcmUnpack},
	{"1.2.840.10008.1.2.5", "RLE lossless", "dcmdrle in.dcm out.dcm"},
}

const gdcmUnpack = "gdcmconv --raw in.dcm out.dcm"

// transferSyntax reads how a file's data set is written down, and refuses what
// would come out wrong. The parser takes every syntax that it does not know for
// one of the plain ones, so this comes before the pixels are looked at.
func transferSyntax(data []byte) (string, error) {
	p, err := dicom.NewParser(bytes.NewReader(data), int64(len(data)), nil, dicom.AllowUnknownSpecificCharacterSet())
	if err != nil {
		return "", fmt.Errorf("dicom: not readable: %s", parseFailure(err))
	}
	meta := p.GetMetadata()
	id := strings.TrimRight(stringOr(&meta, tag.TransferSyntaxUID, ""), "\x00")
	switch id {
	case uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian:
		return id, nil
	case "":
		return id, nil // the parser finds out which of the plain ones it is
	}
	if jpegSyntaxes[id] {
		return id, nil
	}
	for _, s := range packedSyntaxes {
		if s.id == id {
			return "", hint(fmt.Errorf("dicom: transfer syntax %s (%s) is not read", s.name, s.id), "unpack the file first: "+s.unpack)
		}
	}
	// Not quoted as it stands: the field of a damaged file may hold anything.
	if strings.Trim(id, "0123456789.") != "" || len(id) > 64 {
		return "", fmt.Errorf("dicom: the transfer syntax is not a UID")
	}
	return "", hint(fmt.Errorf("dicom: transfer syntax %s is not read", id), "unpack the file first: "+gdcmUnpack)
}

// bareDICOM refuses a file that is called DICOM, or starts with the marker,
// and lacks the preamble: its bytes must not pass for raw numbers.
func bareDICOM(path string, data []byte) error {
	ext := strings.ToLower(filepath.Ext(path))
	named := ext == ".dcm" || ext == ".dicom"
	if !named && !bytes.HasPrefix(data, []byte("DICM")) {
		return nil
	}
	return hint(fmt.Errorf("dicom: no DICM marker after a preamble of 128 bytes"), "if it is a bare data set, give it its header: dcmconv in.dcm out.dcm")
}
