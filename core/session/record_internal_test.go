package session

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/identity"
)

var (
	testApp = [4]byte{1, 2, 3, 4}
	testKey = StoreKey{Tag: [4]byte{5, 6, 7, 8}, Hash: sha256.Sum256([]byte("key"))}
	linkKey = StoreKey{Tag: [4]byte{5, 6, 7, 8}, Hash: sha256.Sum256([]byte("link"))}
)

func bagOf(pairs ...string) bag {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		appendPair(&b, pairs[i], pairs[i+1])
	}
	return bag(b.String())
}

func sampleRecords() map[string]record {
	full := record{
		touched: 2, ends: math.MaxInt64, authed: math.MinInt64,
		print: fingerprint{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, subject: "ann", method: "password", device: "Firefox, Linux",
		roles: encodeList([]string{"user", "admin"}), scopes: encodeList([]string{"read"}),
		data: bagOf("cart", `"apple"`, "n", "1"),
	}
	live, renewed, steppedUp := full, full, full
	live.link, live.linked = linkKey, true
	renewed.kind, renewed.link, renewed.linked, renewed.data = kindRenewed, linkKey, true, ""
	steppedUp.kind, steppedUp.link, steppedUp.linked = kindSteppedUp, linkKey, true
	return map[string]record{
		"zero":       {},
		"anonymous":  {touched: 1, ends: 1, data: bagOf("a", "")},
		"full":       full,
		"linked":     live,
		"renewed":    renewed,
		"stepped up": steppedUp,
		"longest": {
			device: strings.Repeat("h", identity.MaxName), subject: strings.Repeat("\xff", identity.MaxName),
			roles: encodeList(strings.Split(strings.Repeat(strings.Repeat("r", 255)+" ", 255), " ")[:255]),
			data:  bagOf(strings.Repeat("k", 255), strings.Repeat("\x00", 1<<17)),
		},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for name, want := range sampleRecords() {
		t.Run(name, func(t *testing.T) {
			v := want.encode(testApp, testKey)
			var got record
			require.NoError(t, got.decode(v, testApp, testKey))
			require.Equal(t, want, got)
			require.Equal(t, v, got.encode(testApp, testKey))
		})
	}
}

// Whatever happens to a value on its way, it is an error and not another record.
func TestRecordDamage(t *testing.T) {
	for name, r := range sampleRecords() {
		if name == "longest" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			v := r.encode(testApp, testKey)
			refused := func(what, value string, app [4]byte, key StoreKey) {
				t.Helper()
				var got record
				require.ErrorIs(t, got.decode(value, app, key), errRecord, what)
			}
			for i := range v {
				refused(fmt.Sprint("truncated to ", i), v[:i], testApp, testKey)
			}
			refused("extended", v+"\x00", testApp, testKey)
			refused("extended by a pair", v+string(bagOf("admin", "true")), testApp, testKey)
			refused("twice", v+v, testApp, testKey)
			refused("another version", "\x02"+v[1:], testApp, testKey)
			refused("unknown kind", v[:1]+"\x03"+v[2:], testApp, testKey)
			refused("unknown flag", v[:1]+"\x40"+v[2:], testApp, testKey)
			refused("another application", v, [4]byte{1, 2, 3, 5}, testKey)
			refused("another key", v, testApp, linkKey)
		})
	}
	t.Run("a snapshot without a link", func(t *testing.T) {
		for _, k := range []kind{kindRenewed, kindSteppedUp} {
			r := record{kind: k}
			require.ErrorIs(t, new(record).decode(r.encode(testApp, testKey), testApp, testKey), errRecord)
		}
	})
	t.Run("broken inside", func(t *testing.T) {
		for desc, r := range map[string]record{
			"list":             {roles: "\x05abc"},
			"data":             {data: "\x05abc"},
			"empty name":       {data: bagOf("", "value")},
			"value too short":  {data: "\x01a\x00\x00\x00\x02x"},
			"value of 4 GiB":   {data: "\x01a\xff\xff\xff\xffx"},
			"no value at all":  {data: "\x01a\x00\x00"},
			"second is broken": {data: bagOf("a", "b") + "\x01"},
		} {
			require.ErrorIs(t, new(record).decode(r.encode(testApp, testKey), testApp, testKey), errRecord, desc)
		}
	})
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	r := sampleRecords()["linked"]
	v := r.encode(testApp, testKey)
	var got record
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = got.decode(v, testApp, testKey) }))
	require.EqualValues(t, 1, testing.AllocsPerRun(100, func() { _ = r.encode(testApp, testKey) }))
}

func TestDeadline(t *testing.T) {
	const us = int64(time.Second / time.Microsecond)
	for _, tc := range []struct {
		desc          string
		touched, ends int64
		want          int64
		cause         string
	}{
		{"idle first", 0, 20 * us, 10 * us, "idle"},
		{"absolute first", 15 * us, 20 * us, 20 * us, "absolute"},
		{"both at once", 10 * us, 20 * us, 20 * us, "absolute"},
		{"overflow", math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64, "absolute"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			r := record{touched: tc.touched, ends: tc.ends}
			require.Equal(t, tc.want, r.deadline(10*time.Second))
			require.EqualValues(t, tc.cause, r.expiryCause(10*time.Second))
		})
	}
}

// decode never panics, and what it accepts is what encode makes, byte for byte:
// two values for one record would be two ways to say who somebody is.
func FuzzDecode(f *testing.F) {
	for name, r := range sampleRecords() {
		if name != "longest" {
			f.Add(r.encode(testApp, testKey))
		}
	}
	f.Add("")
	f.Add(strings.Repeat("\x01", fixedLen))
	f.Fuzz(func(t *testing.T, v string) {
		// The fuzzer cannot guess a hash; the rest is worth its time.
		if len(v) >= 6+checkLen {
			v = v[:2] + string(testApp[:]) + string(testKey.Hash[:checkLen]) + v[6+checkLen:]
		}
		var r record
		if r.decode(v, testApp, testKey) != nil {
			return
		}
		if again := r.encode(testApp, testKey); again != v {
			t.Fatalf("decode accepted %q, encode makes %q of it", v, again)
		}
		_ = decodeList(r.roles)
		_ = decodeList(r.scopes)
		if _, err := (ops{{kind: opSet, name: "a", value: "b"}}).merge(r.data, math.MaxInt); err != nil {
			t.Fatalf("merge into accepted data: %v", err)
		}
	})
}

// decode undoes encode for every record that the package makes.
func FuzzRecord(f *testing.F) {
	f.Add(uint8(0), true, int64(2), int64(3), int64(4), "device", "ann", "password", "user", "read", "cart", "apple")
	f.Add(uint8(1), true, int64(math.MaxInt64), int64(math.MinInt64), int64(0), "", "", "", "", "", "\x00", "\x00")
	f.Fuzz(func(t *testing.T, k uint8, linked bool, touched, ends, authed int64, device, subject, method, role, scope, name, value string) {
		want := record{
			kind: kind(k % 3), touched: touched, ends: ends, authed: authed,
			device: device[:min(len(device), identity.MaxName)], subject: subject[:min(len(subject), identity.MaxName)], method: method[:min(len(method), identity.MaxName)],
			roles: encodeList([]string{role[:min(len(role), identity.MaxName)]}), scopes: encodeList([]string{scope[:min(len(scope), identity.MaxName)], "x"}),
		}
		if linked || want.kind != kindLive {
			want.linked, want.link = true, linkKey
		}
		if name = name[:min(len(name), identity.MaxName)]; name != "" {
			want.data = bagOf(name, value)
		}
		var got record
		if err := got.decode(want.encode(testApp, testKey), testApp, testKey); err != nil {
			t.Fatalf("decode of %+v: %v", want, err)
		}
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestLists(t *testing.T) {
	for _, want := range [][]string{nil, {"a"}, {"a", "", "b"}, {strings.Repeat("x", 255)}} {
		l := encodeList(want)
		require.True(t, validList(l))
		require.Equal(t, want, decodeList(l))
	}
	require.False(t, validList("\x02a"))
}

// model is a bag as a map.
type model map[string]string

func (m model) apply(o op) bool {
	v, ok := m[o.name]
	switch o.kind {
	case opSet:
		m[o.name] = o.value
	case opDelete:
		delete(m, o.name)
	default:
		var n int64
		if ok {
			var err error
			if n, err = strconv.ParseInt(v, 10, 64); err != nil {
				return false
			}
		}
		sum := n + o.delta
		if (sum > n) != (o.delta > 0) && o.delta != 0 {
			return false
		}
		m[o.name] = strconv.FormatInt(sum, 10)
	}
	return true
}

func modelOf(b bag) model {
	m := model{}
	for rest := b; ; {
		k, v, next, ok := rest.next()
		if !ok {
			return m
		}
		if _, had := m[k]; had {
			panic("a name stands twice: " + k)
		}
		m[k] = v
		rest = next
	}
}

// program makes operations out of bytes: kind, name and value of each.
func program(code string) (list []op) {
	for len(code) >= 3 && len(list) < 100 {
		name := string(rune('a' + code[1]%4))
		switch c := code[2]; code[0] % 4 {
		case 0:
			list = append(list, op{kind: opSet, name: name, value: strconv.Itoa(int(int8(c)))})
		case 1:
			list = append(list, op{kind: opSet, name: name, value: strings.Repeat("x", int(c))})
		case 2:
			list = append(list, op{kind: opDelete, name: name})
		default:
			delta := int64(int8(c))
			if c == 0x80 {
				delta = math.MinInt64
			} else if c == 0x7f {
				delta = math.MaxInt64
			}
			list = append(list, op{kind: opIncrement, name: name, delta: delta})
		}
		code = code[3:]
	}
	return list
}

// What a request collects and merges in one step is what a map becomes under the
// same operations one by one; absorbing changes nothing but the number of them.
func FuzzMerge(f *testing.F) {
	f.Add("\x00\x00\x05\x03\x00\x01", "\x03\x00\x02\x02\x01\x00")
	f.Add("\x01\x00\x05", "\x03\x00\x02")
	f.Add("\x03\x00\x7f\x03\x00\x7f", "\x03\x00\x80\x03\x00\x80")
	f.Add("\x00\x00\x01\x00\x01\x02\x00\x02\x03", "\x02\x01\x00\x03\x01\x05\x02\x01\x00\x00\x03\x09")
	f.Fuzz(func(t *testing.T, before, code string) {
		// Every operation that the model takes is kept, so the start is a bag
		// that a manager could have made.
		start := model{}
		for _, o := range program(before) {
			start.apply(o)
		}
		var b bag
		for k, v := range start {
			b += bagOf(k, v)
		}
		require.True(t, b.valid())
		require.Equal(t, start, modelOf(b))

		want := maps.Clone(start)
		var p ops
		for _, o := range program(code) {
			next, err := p.add(o)
			if err == nil {
				_, err = next.size(b)
			}
			// What the model refuses, ops refuses. It may refuse an addition more:
			// additions of one request are summed up before the value is known,
			// and their sum may be out of range where the end is not.
			trial := maps.Clone(want)
			if ok := trial.apply(o); err != nil {
				if ok && o.kind != opIncrement {
					t.Fatalf("%+v on %v: got %v, want nil", o, want, err)
				}
				continue
			} else if !ok {
				t.Fatalf("%+v on %v: got nil, want an error", o, want)
			}
			want, p = trial, next
		}
		require.LessOrEqual(t, len(p), 4, "one operation for each name")
		got, err := p.merge(b, math.MaxInt)
		require.NoError(t, err)
		require.True(t, got.valid())
		require.Equal(t, want, modelOf(got))
		size, err := p.size(b)
		require.NoError(t, err)
		require.Len(t, got, size)
		for name := range want {
			v, ok, err := p.get(b, name)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want[name], v)
		}
		require.Equal(t, start, modelOf(b), "the old bag is as it was")
	})
}

func TestMergeLimit(t *testing.T) {
	b := bagOf("a", strings.Repeat("x", 50)) // 56 bytes
	grow := ops{{kind: opSet, name: "b", value: "y"}}
	shrink := ops{{kind: opSet, name: "a", value: strings.Repeat("x", 49)}}
	for _, tc := range []struct {
		desc  string
		p     ops
		limit int
		ok    bool
	}{
		{"fits", grow, 63, true},
		{"one too many", grow, 62, false},
		{"nothing to do, above the limit", nil, 10, true},
		{"shrinks, above the limit", shrink, 10, true},
		{"grows, above the limit", grow, 10, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			got, err := tc.p.merge(b, tc.limit)
			if tc.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrTooLarge)
			require.Equal(t, b, got, "refused as a whole")
		})
	}
}
