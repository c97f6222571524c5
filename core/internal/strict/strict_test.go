package strict_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/strict"
)

var limits = strict.Limits{Depth: 4, Members: 40}

// read returns the members of doc, as a Reader shows them.
func read(doc string) (names []string, values []strict.Value, f strict.Fault) {
	r := strict.Read(doc, limits)
	for r.Next() {
		names, values = append(names, r.Name), append(values, r.Value)
	}
	return names, values, r.Fault()
}

func TestObject(t *testing.T) {
	names, values, f := read("\t{\"a\" : \"x\\u00e9\\ud83d\\ude00\\n\",\"\\u0062\":[ ] ,\r\n\"\":-0.5e+10,\"c\":{\"d\":{\"e\":[null]}},\"f\":true,\"g\":false,\"h\":null} ")
	require.Equal(t, strict.OK, f)
	require.Equal(t, []string{"a", "b", "", "c", "f", "g", "h"}, names)
	kinds := []strict.Kind{strict.String, strict.Array, strict.Number, strict.Nested, strict.Bool, strict.Bool, strict.Null}
	for i, v := range values {
		require.Equal(t, kinds[i], v.Kind, names[i])
		text, ok := v.Text()
		require.Equal(t, i == 0, ok)
		if ok {
			require.Equal(t, "xé😀\n", text)
		}
	}
	_, values, f = read(`{"":[ "a" , "\"\\\/\b\f\n\r\t\u0041" ]}`)
	require.Equal(t, strict.OK, f)
	list, ok := values[0].Strings()
	require.True(t, ok)
	require.Equal(t, []string{"a", "\"\\/\b\f\n\r\tA"}, list)
	names, _, f = read(" { } ")
	require.Equal(t, strict.OK, f)
	require.Empty(t, names)
}

func TestObjectStops(t *testing.T) {
	n := 0
	f := strict.Object(`{"a":1,"b":2,"c":3}`, limits, func(name string, _ strict.Value) bool {
		n++
		return name != "b"
	})
	require.Equal(t, strict.Stopped, f)
	require.Equal(t, 2, n)
	f = strict.Object(`{"a":1,"b":2,"b":3}`, limits, func(string, strict.Value) bool { return true })
	require.Equal(t, strict.Duplicate, f)
}

// Who stops early knows nothing about the text.
func TestObjectUnread(t *testing.T) {
	r := strict.Read(`{"a":1,"b":2}`, limits)
	require.Equal(t, strict.Syntax, r.Fault())
	require.True(t, r.Next())
	require.Equal(t, strict.Syntax, r.Fault())
	require.True(t, r.Next())
	require.False(t, r.Next())
	require.Equal(t, strict.OK, r.Fault())
	require.False(t, r.Next())
	require.Equal(t, strict.OK, r.Fault())
	r = strict.Read(`{"a":1,"b":2]`, limits)
	require.True(t, r.Next())
	require.True(t, r.Next())
	require.False(t, r.Next())
	require.False(t, r.Next())
	require.Equal(t, strict.Syntax, r.Fault())
}

// Few or many, names are compared with all others of their object and no more.
func TestObjectManyNames(t *testing.T) {
	wide := strict.Limits{Depth: 3, Members: 1000}
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return b.String()
	}
	fault := func(doc string) strict.Fault {
		r := strict.Read(doc, wide)
		for r.Next() {
		}
		return r.Fault()
	}
	for _, n := range []int{1, 22, 23, 24, 25, 26, 100, 300} {
		for _, i := range []int{0, n / 2, n - 1} {
			again := fmt.Sprintf(`"m%d":0`, i)
			require.Equal(t, strict.Duplicate, fault("{"+members(n)+again+"}"), "%d of %d", i, n)
			require.Equal(t, strict.Case, fault("{"+members(n)+strings.ToUpper(again)+"}"), "%d of %d", i, n)
			require.Equal(t, strict.Duplicate, fault("{"+members(n)+`"x":{`+members(n)+again+"}}"), "%d of %d", i, n)
			require.Equal(t, strict.Duplicate, fault("{"+members(n)+`"x":{`+members(n)+`"y":0},`+again+"}"), "%d of %d", i, n)
			require.Equal(t, strict.OK, fault("{"+members(n)+`"x":{`+members(n)+`"y":0},"z":[{`+members(n)+`"y":0}]}`), n)
		}
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { fault(`{"iss":"a","sub":"b","aud":["c"],"exp":1,"x":{"y":[1,2,{"z":null}]}}`) }))
}

func TestObjectRefuses(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	for doc, want := range map[string]strict.Fault{
		``: strict.Syntax, ` `: strict.Syntax, `[]`: strict.Syntax, `"a"`: strict.Syntax, `null`: strict.Syntax, `1`: strict.Syntax,
		`{`: strict.Syntax, `{"`: strict.Syntax, `{"a`: strict.Syntax, `{"a"`: strict.Syntax, `{"a":`: strict.Syntax, `{"a":1`: strict.Syntax, `{"a":1,`: strict.Syntax,
		`{"a":1,}`: strict.Syntax, `{,}`: strict.Syntax, `{"a" 1}`: strict.Syntax, `{"a":1 "b":2}`: strict.Syntax, `{a:1}`: strict.Syntax, `{'a':1}`: strict.Syntax,
		`{1:1}`: strict.Syntax, `{"a":1}}`: strict.Syntax, `{"a":1}{}`: strict.Syntax, `{"a":1} x`: strict.Syntax, "{}\x00": strict.Syntax, "\ufeff{}": strict.Syntax, "{}\ufeff": strict.Syntax,
		`{"a":[1,]}`: strict.Syntax, `{"a":[,1]}`: strict.Syntax, `{"a":[1 2]}`: strict.Syntax, `{"a":[1}`: strict.Syntax, `{"a":[`: strict.Syntax,
		`{"a":tru}`: strict.Syntax, `{"a":truee}`: strict.Syntax, `{"a":True}`: strict.Syntax, `{"a":nul}`: strict.Syntax, `{"a":falsy}`: strict.Syntax,
		`{"a":NaN}`: strict.Syntax, `{"a":Infinity}`: strict.Syntax, `{"a":/**/1}`: strict.Syntax, "{\f}": strict.Syntax, "{\u00a0}": strict.Syntax,
		`{"a":01}`: strict.Syntax, `{"a":+1}`: strict.Syntax, `{"a":.5}`: strict.Syntax, `{"a":1.}`: strict.Syntax, `{"a":1e}`: strict.Syntax, `{"a":1e+}`: strict.Syntax, `{"a":-}`: strict.Syntax,
		`{"a":0x1}`: strict.Syntax, `{"a":1_0}`: strict.Syntax, `{"a":-01}`: strict.Syntax, `{"a":1e201}`: strict.Syntax, `{"a":1e-201}`: strict.Syntax,
		`{"a":1e99999999999999999999999999}`: strict.Syntax, `{"a":1e` + strings.Repeat("0", 65) + `}`: strict.Syntax, `{"a":1` + strings.Repeat("0", 64) + `}`: strict.Syntax,
		"{\"a\":\"\n\"}": strict.Syntax, "{\"a\":\"\x1f\"}": strict.Syntax, `{"a":"\x"}`: strict.Syntax, `{"a":"\u12g4"}`: strict.Syntax, `{"a":"\u12"}`: strict.Syntax, `{"a":"\`: strict.Syntax, `{"a":"\u`: strict.Syntax,
		`{"a":"\ud800\u12g4"}`: strict.Syntax,
		"{\"a\":\"\xff\"}":     strict.UTF8, "{\"a\":\"\xed\xa0\x80\"}": strict.UTF8, "{\"a\":\"\xc0\x80\"}": strict.UTF8, "{\"\xe2\x82\":1}": strict.UTF8, "\xfe\xff\x00{": strict.UTF8,
		`{"a":"\ud800"}`: strict.UTF8, `{"a":"\udc00"}`: strict.UTF8, `{"a":"\ud800\ud800"}`: strict.UTF8, `{"a":"\udc00\ud800"}`: strict.UTF8, `{"a":"\ud800x\udc00"}`: strict.UTF8, `{"\uD834":1}`: strict.UTF8,
		`{"a":1,"a":1}`: strict.Duplicate, `{"a":1,"b":1,"\u0061":1}`: strict.Duplicate, `{"x":{"a":1,"a":2}}`: strict.Duplicate, `{"x":[{"b":1},{"a":1,"a":2}]}`: strict.Duplicate,
		`{"":1,"":1}`: strict.Duplicate, `{"x":{"y":{"a":1}},"x":1}`: strict.Duplicate,
		`{"a":1,"A":1}`: strict.Case, `{"sub":1,"ſub":1}`: strict.Case, `{"K":1,"k":1}`: strict.Case, `{"Ä":1,"ä":1}`: strict.Case, `{"ς":1,"Σ":1}`: strict.Case,
		`{"a":{"b":{"c":{"d":{}}}}}`: strict.Depth, `{"a":[[[[]]]]}`: strict.Depth, `{"a":[{"b":[{}]}]}`: strict.Depth,
		`{` + many(41) + `}`: strict.Members, `{"a":{` + many(20) + `},"b":{` + many(20) + `}}`: strict.Members,
		`{"a":1,"a":` + strings.Repeat("[", 100): strict.Duplicate,
	} {
		_, _, got := read(doc)
		require.Equal(t, want, got, doc)
	}
	for _, doc := range []string{
		`{"a":{"A":1,"b":{"a":1}},"b":{"A":1,"a":1}}`, // below, two names are two names
		`{"a":{"b":{"c":{}}}}`, `{"a":[[[]]]}`, `{` + many(40) + `}`,
		`{"a":1e200}`, `{"a":1E-200}`, `{"a":1` + strings.Repeat("0", 63) + `}`, `{"a":-0}`, `{"a":0.0e0}`,
	} {
		_, _, got := read(doc)
		require.Equal(t, strict.OK, got, doc)
	}
}

func TestBool(t *testing.T) {
	for text, want := range map[string][2]bool{
		"true": {true, true}, "false": {false, true}, "null": {}, "1": {}, `"true"`: {}, "[true]": {}, `{"a":true}`: {},
	} {
		_, values, f := read(`{"n":` + text + `}`)
		require.Equal(t, strict.OK, f, text)
		b, ok := values[0].Bool()
		require.Equal(t, want, [2]bool{b, ok}, text)
	}
	_, ok := strict.Value{}.Bool()
	require.False(t, ok)
}

func TestInteger(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1700000000": 1700000000, "9007199254740992": 1 << 53,
		"9007199254740993": -1, "18446744073709551616": -1, "18446744073709551617": -1, "1" + strings.Repeat("0", 40): -1,
		"-1": -1, "-0": -1, "1.0": -1, "1e3": -1, "1E0": -1, `"1"`: -1, "null": -1, "true": -1, "[1]": -1,
	} {
		_, values, f := read(`{"n":` + text + `}`)
		require.Equal(t, strict.OK, f, text)
		n, ok := values[0].Integer()
		require.Equal(t, want >= 0, ok, text)
		if ok {
			require.Equal(t, uint64(want), n, text)
		}
	}
	_, ok := strict.Value{}.Integer()
	require.False(t, ok)
}

func TestStrings(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: nil, ` [ "a" ]`: {"a"}, `["a","","b"]`: {"a", "", "b"}, `["]",","]`: {"]", ","},
	} {
		_, values, f := read(`{"n":` + text + `}`)
		require.Equal(t, strict.OK, f, text)
		list, ok := values[0].Strings()
		require.True(t, ok, text)
		require.Equal(t, want, list)
	}
	for _, text := range []string{`"a"`, `null`, `{}`, `[1]`, `["a",null]`, `["a",["b"]]`, `[{"a":"b"}]`, `[true]`} {
		_, values, f := read(`{"n":` + text + `}`)
		require.Equal(t, strict.OK, f, text)
		_, ok := values[0].Strings()
		require.False(t, ok, text)
	}
}

func TestFold(t *testing.T) {
	for name, want := range map[string]string{
		"sub": "sub", "SUB": "sub", "ſub": "sub", "\u212aid": "kid", "client_ID": "client_id", "Ä": strict.Fold("ä"), "": "",
		"x5t#S256": "x5t#s256", "İ": "İ", "ß": strict.Fold("ẞ"),
	} {
		require.Equal(t, want, strict.Fold(name), name)
	}
	var folded string
	require.Zero(t, testing.AllocsPerRun(10, func() { folded = strict.Fold("auth_time") }))
	require.Equal(t, "auth_time", folded)
}

func TestSplit(t *testing.T) {
	for raw, want := range map[string]strict.Fault{
		"a.b.c": strict.OK, "a.b.": strict.OK, "aA0-_.b.c": strict.OK,
		"": strict.Segments, ".": strict.Segments, "..": strict.Segments, "a": strict.Segments, "a.b": strict.Segments, "a..": strict.Segments, "a..c": strict.Segments, ".b.c": strict.Segments,
		"a.b.c.": strict.Segments, "a.b.c.d": strict.Segments, "a.b.c.d.e": strict.Segments, "...": strict.Segments,
		"a.b.c=": strict.Alphabet, "a b.c": strict.Alphabet, "a.b.c\n": strict.Alphabet, "a.b+.c": strict.Alphabet, "a/.b.c": strict.Alphabet, "a.b.é": strict.Alphabet, "{": strict.Alphabet, "a.b.c\x00": strict.Alphabet,
	} {
		h, p, s, got := strict.Split(raw)
		require.Equal(t, want, got, raw)
		if got == strict.OK {
			require.Equal(t, raw, h+"."+p+"."+s)
		} else {
			require.Empty(t, h+p+s)
		}
	}
	dots := strings.Repeat(".", 1_000_000)
	require.Zero(t, testing.AllocsPerRun(10, func() { strict.Split(dots) }))
}

func TestText(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 767, 768, 769, 770, 1535, 1536, 1537, 5000} {
		want := strings.Repeat("\xfb\xef\xbe\x00z", n)[:n]
		text := base64.RawURLEncoding.EncodeToString([]byte(want))
		got, ok := strict.Text(text)
		require.True(t, ok, n)
		require.Equal(t, want, got)
		b, ok := strict.Bytes(text)
		require.True(t, ok)
		require.Equal(t, want, string(b))
		for _, bad := range []string{text + "=", text + "\n", "\n" + text, text + "\r\n\r\n", "\n\n\n\n" + text, text + " ", "+" + text, "/" + text, text + "é"} {
			_, ok := strict.Text(bad)
			require.False(t, ok, bad)
			_, ok = strict.Bytes(bad)
			require.False(t, ok, bad)
		}
	}
	for _, bad := range []string{"A", "AAAAA", "AB", "AAB", "A=", "AA==", "A\nAA", "AA\n\n", strings.Repeat("A", 1025), strings.Repeat("A", 1025) + "B"} {
		_, ok := strict.Text(bad)
		require.False(t, ok, bad)
	}
}

func TestFill(t *testing.T) {
	want := []byte("0123456789")
	text := base64.RawURLEncoding.EncodeToString(want)
	got := make([]byte, len(want))
	require.True(t, strict.Fill(got, text))
	require.Equal(t, want, got)
	for _, bad := range []string{"", text[1:], text + "A", text[:len(text)-1] + "\n", "\n" + text[1:], text[:len(text)-1] + "B", text + "=", "+" + text[1:]} {
		require.False(t, strict.Fill(got, bad), "%q", bad)
	}
}

// One text for all bytes: what is taken is what encoding gives.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "AA", "AB", "AAA", "AAB", "A", "AA==", "A\nAA", "____", "+///", strings.Repeat("A", 1028)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, ok := strict.Text(s)
		bytes, okBytes := strict.Bytes(s)
		require.Equal(t, ok, okBytes)
		if ok {
			require.Equal(t, s, base64.RawURLEncoding.EncodeToString([]byte(text)))
			require.Equal(t, text, string(bytes))
		} else if want, err := base64.RawURLEncoding.Strict().DecodeString(s); err == nil {
			require.NotEqual(t, s, base64.RawURLEncoding.EncodeToString(want), "nothing wrong with it")
		}
	})
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a.b.c", "a.b.", "..", "a.b.c.d", "a.b", "a.b.c=", ".b.c", "a..c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, p, sig, fault := strict.Split(s)
		parts := strings.Split(s, ".")
		letters := strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
		good := letters && len(parts) == 3 && parts[0] != "" && parts[1] != ""
		require.Equal(t, good, fault == strict.OK)
		if good {
			require.Equal(t, parts, []string{h, p, sig})
		}
	})
}

// What is taken is JSON by the standard library's reading, says the same there, and
// keeps the rules that the standard library does not know.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":"b"}`, `{"a":[1,2.5e3,{"b":null}],"c":true}`, `{"a":1,"a":2}`, `{"sub":1,"ſub":2}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud800"}`,
		`{"exp":1700000000,"aud":["a","b"],"x":{"y":{"z":[]}}}`, "\ufeff{}", `{"a":1e400}`, `{"a":-0.0}`, `{"a":[[[[[]]]]]}`, " {\n} ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		names, values, fault := read(doc)
		if fault != strict.OK {
			return
		}
		require.True(t, json.Valid([]byte(doc)))
		require.True(t, utf8.ValidString(doc))
		var want map[string]any
		d := json.NewDecoder(strings.NewReader(doc))
		d.UseNumber()
		require.NoError(t, d.Decode(&want))
		require.NoError(t, json.Unmarshal([]byte(doc), new(map[string]any)), "with every number a float64")
		require.Len(t, want, len(names), "no duplicates")
		require.NoError(t, checkTree(doc))
		for i, name := range names {
			for _, other := range names[:i] {
				require.False(t, strings.EqualFold(name, other), "%q and %q", name, other)
			}
			v, there := want[name]
			require.True(t, there, name)
			switch v := v.(type) {
			case string:
				got, ok := values[i].Text()
				require.True(t, ok)
				require.Equal(t, v, got)
			case json.Number:
				require.Equal(t, strict.Number, values[i].Kind)
				if n, ok := values[i].Integer(); ok {
					require.Equal(t, v.String(), fmt.Sprint(n))
				}
			case []any:
				got, ok := values[i].Strings()
				all := true
				for j, e := range v {
					s, isString := e.(string)
					if all = all && isString; ok {
						require.Equal(t, s, got[j])
					}
				}
				require.Equal(t, all, ok)
				if ok {
					require.Len(t, got, len(v))
				}
			case map[string]any:
				require.Equal(t, strict.Nested, values[i].Kind)
			case bool:
				require.Equal(t, strict.Bool, values[i].Kind)
			case nil:
				require.Equal(t, strict.Null, values[i].Kind)
			}
		}
	})
}

// checkTree walks doc with another parser and finds what the limits and the rule about
// duplicates do not allow.
func checkTree(doc string) error {
	type frame struct {
		names map[string]bool // nil: an array
		name  bool            // a name comes next
	}
	var open []frame
	members := 0
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if delim, ok := tok.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].names != nil {
			top := &open[n-1]
			if top.name {
				name := tok.(string)
				if top.names[name] {
					return fmt.Errorf("duplicate %q", name)
				}
				top.names[name], top.name = true, false
				members++
				continue
			}
			top.name = true
		}
		if delim, ok := tok.(json.Delim); ok {
			fr := frame{}
			if delim == '{' {
				fr = frame{names: map[string]bool{}, name: true}
			}
			open = append(open, fr)
		}
		if len(open) > limits.Depth || members > limits.Members {
			return fmt.Errorf("depth %d, members %d", len(open), members)
		}
	}
}
