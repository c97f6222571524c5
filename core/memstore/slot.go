package memstore

import "github.com/sallyport-go/sallyport/core/session"

// slot is where a session stands and how it is linked; the rest of it is its record in
// the arena.
type slot struct {
	key          session.StoreKey
	newer, older uint32 // by use, within the class
	links
	block uint32 // with off the record's place
	off   uint16
	flags flags
}

func (s *slot) place() place { return place{s.block, s.off} }

func (s *slot) stand(at place) { s.block, s.off = at.block, at.off }

type flags uint16

const (
	inUse flags = 1 << iota
	listed
	presented
	hasOwner
	hasHandle
	hasCreated
	hasEpoch
)
