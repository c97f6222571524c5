package token

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/strict"
)

// Decode returns the claims as a T: Claims itself, or a struct or map with JSON tags.
// Names match byte for byte, unlike those of encoding/json: a claim that differs from
// a field's name only in case is an error. What is below a claim is left to
// encoding/json, and so is all of a T that unmarshals itself. Numbers in a map or an
// interface are json.Number, so that none loses digits. Without a token the error is
// core.ErrAnonymous.
func Decode[T any](t *Token) (T, error) {
	var v, zero T
	if t == nil {
		return zero, core.ErrAnonymous
	}
	if c, ok := any(&v).(*Claims); ok {
		*c = t.Claims()
		return v, nil
	}
	if err := t.decode(&v, reflect.TypeFor[T]()); err != nil {
		return zero, fmt.Errorf("token: claims as %T: %w", zero, err)
	}
	return v, nil
}

func (t *Token) decode(v any, typ reflect.Type) error {
	if names := fieldNames(typ); len(names) > 0 {
		for m := strict.Read(t.payload, claimLimits); m.Next(); {
			if s, ok := names[m.Folded]; ok && !s.exact(m.Name) {
				return fmt.Errorf("the claim %q is not %q", m.Name, s[0])
			}
		}
	}
	// The payload is one object and nothing after it: that was seen to before it
	// was accepted.
	d := json.NewDecoder(strings.NewReader(t.payload))
	d.UseNumber()
	return d.Decode(v)
}

// spellings are the names of fields that differ only in case.
type spellings []string

func (s spellings) exact(name string) bool {
	for _, field := range s {
		if field == name {
			return true
		}
	}
	return false
}

// fieldsOf keeps, for each struct that was decoded into, its field names by what they
// fold to: a function of the type, computed once.
var fieldsOf sync.Map // reflect.Type to map[string]spellings

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func fieldNames(typ reflect.Type) map[string]spellings {
	if typ.Implements(unmarshaler) || reflect.PointerTo(typ).Implements(unmarshaler) {
		return nil
	}
	if typ.Kind() == reflect.Pointer {
		return fieldNames(typ.Elem())
	}
	if typ.Kind() != reflect.Struct {
		return nil
	}
	if names, ok := fieldsOf.Load(typ); ok {
		return names.(map[string]spellings)
	}
	names := map[string]spellings{}
	addFields(typ, names, map[reflect.Type]bool{})
	fieldsOf.Store(typ, names)
	return names
}

// addFields adds the names under which encoding/json looks for the fields of typ. A
// field that another one hides is among them too: its name is the other's.
func addFields(typ reflect.Type, names map[string]spellings, seen map[reflect.Type]bool) {
	if seen[typ] {
		return
	}
	seen[typ] = true
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",") // "-" is in nobody's way
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		embedded := f.Anonymous && inner.Kind() == reflect.Struct
		if !f.IsExported() && !embedded {
			continue
		}
		if embedded && name == "" {
			addFields(inner, names, seen)
			continue
		}
		if name == "" {
			name = f.Name
		}
		folded := strict.Fold(name)
		if !names[folded].exact(name) {
			names[folded] = append(names[folded], name)
		}
	}
}
