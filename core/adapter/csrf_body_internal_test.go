package adapter

import (
	"bytes"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	must "github.com/stretchr/testify/require" // require is a guard here
)

const csrfField = "csrf_token"

func TestFormField(t *testing.T) {
	for _, tc := range []struct {
		desc, body, want string
		err              error
	}{
		{"alone", "csrf_token=x", "x", nil},
		{"among others", "a=1&csrf_token=x&b=2&b=3&=&c&&a=", "x", nil},
		{"last", "a=1&csrf_token=x", "x", nil},
		{"empty", "csrf_token=", "", nil},
		{"without an equals sign", "a=1&csrf_token", "", nil},
		{"escaped name", "csrf%5Ftoken=x", "x", nil},
		{"escaped value", "csrf_token=%78+y%2Bz", "x y+z", nil},
		{"second equals sign", "csrf_token=a=b", "a=b", nil},
		{"another's value cannot be read", "discount=50%&csrf_token=x", "x", nil},
		{"not UTF-8", "\xff=\xfe&csrf_token=x", "x", nil},
		{"many fields", strings.Repeat("a=b&", 5000) + "csrf_token=x", "x", nil},

		{"no body", "", "", errNoField},
		{"absent", "a=csrf_token", "", errNoField},
		{"another case", "CSRF_TOKEN=x", "", errNoField},
		{"a longer name", "csrf_token2=x&xcsrf_token=x", "", errNoField},
		{"a blank before", "+csrf_token=x", "", errNoField},
		{"an index", "csrf_token[]=x&csrf_token[0]=x", "", errNoField},
		{"a zero byte", "csrf_token%00=x", "", errNoField},
		{"escaped twice", "csrf%255Ftoken=x", "", errNoField},
		{"escaped ampersand", "a=1%26csrf_token=x", "", errNoField},
		{"twice", "csrf_token=x&csrf_token=y", "", errDuplicate},
		{"twice the same", "csrf_token=x&csrf_token=x", "", errDuplicate},
		{"twice and empty", "csrf_token=x&csrf_token", "", errDuplicate},
		{"a duplicate behind an escape", "csrf_token=x&%63srf_token=y", "", errDuplicate},
		{"a duplicate that cannot be read", "csrf_token=x&csrf_token=%zz", "", errDuplicate},
		{"its value cannot be read", "csrf_token=%zz", "", errBody},
		{"a name that cannot be read", "csrf_token=x&%u0063srf_token=y", "", errBody},
		{"half an escape", "csrf_token=x&a%", "", errBody},
		{"a bare semicolon", "csrf_token=x;csrf_token=y", "", errBody},
		{"a bare semicolon elsewhere", "csrf_token=x&a=1;csrf_token=y", "", errBody},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			got, err := formField(tc.body, csrfField)
			must.Equal(t, tc.err, err)
			must.Equal(t, tc.want, got)
		})
	}
}

// FuzzFormField: what url.ParseQuery reads without an error is read alike; and where a
// value is found, url.ParseQuery has no other for that name, whatever is wrong with the
// rest of the body.
func FuzzFormField(f *testing.F) {
	for _, body := range []string{
		"csrf_token=x", "a=1&csrf%5ftoken=%41+b&c", "csrf_token=x&%63srf_token=y", "a=%zz&csrf_token=x", "a;csrf_token=x", "&&=&csrf_token", "%",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		values, parsed := url.ParseQuery(body)
		want := values[csrfField]
		got, err := formField(body, csrfField)
		if err == nil {
			must.Equal(t, []string{got}, want)
		}
		if parsed == nil && len(want) == 1 {
			must.NoError(t, err)
		}
		if parsed == nil && len(want) == 0 {
			must.Equal(t, errNoField, err)
		}
	})
}

// part is a part of a form as browsers write it; head is what stands in its header.
func part(head, value string) string {
	return "--b\r\nContent-Disposition: " + head + "\r\n\r\n" + value + "\r\n"
}

func TestMultipartField(t *testing.T) {
	const kind, end = "multipart/form-data; boundary=b", "--b--\r\n"
	field := func(name, value string) string { return part(`form-data; name="`+name+`"`, value) }
	token := field(csrfField, "x")
	file := part(`form-data; name="photo"; filename="a.png"`, "\x89PNG\r\n--c")
	for _, tc := range []struct {
		desc, kind, body, want string
		err                    error
	}{
		{"alone", kind, token + end, "x", nil},
		{"among others", kind, field("a", "1") + file + field("a", "2") + token + field("b", ""), "x", nil},
		{"empty", kind, field(csrfField, "") + end, "", nil},
		{"upper case and quotes", `Multipart/Form-Data; charset=utf-8; boundary="b"`, token + end, "x", nil},
		{"a preamble", kind, "hello\r\n" + token + end, "x", nil},
		{"name without quotes", kind, part("form-data; name=csrf_token", "x") + end, "x", nil},

		{"absent", kind, field("a", "1") + end, "", errNoField},
		{"in a value", kind, field("a", "csrf_token=x") + end, "", errNoField},
		{"another case", kind, field("CSRF_TOKEN", "x") + end, "", errNoField},
		{"behind the end", kind, field("a", "1") + end + token + end, "", errNoField},
		{"twice", kind, token + field(csrfField, "y") + end, "", errDuplicate},
		{"a file of that name", kind, part(`form-data; name="csrf_token"; filename="a"`, "x") + end, "", errBody},
		{"a file of that name behind it", kind, token + part(`form-data; name="csrf_token"; filename="a"`, "y") + end, "", errBody},
		{"two names in one part", kind, token + part(`form-data; name="csrf_token"; name="a"`, "x") + end, "", errBody},
		{"no name", kind, token + part("form-data", "x") + end, "", errBody},
		{"no disposition", kind, token + "--b\r\n\r\nx\r\n" + end, "", errBody},
		{"an attachment", kind, token + part(`attachment; name="csrf_token"`, "x") + end, "", errBody},
		{"no end", kind, token[:len(token)-2], "", errBody},
		{"no body", kind, "", "", errBody},
		{"no boundary", "multipart/form-data", strings.ReplaceAll(token+end, "--b", "--"), "", errBody},
		{"an empty boundary", `multipart/form-data; boundary=""`, strings.ReplaceAll(token+end, "--b", "--"), "", errBody},
		{"another boundary", "multipart/form-data; boundary=c", token + end, "", errBody},
		{"two boundaries", "multipart/form-data; boundary=b; boundary=c", token + end, "", errBody},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			body := tc.body
			if tc.err == nil && !strings.HasSuffix(body, end) {
				body += end
			}
			got, err := multipartField([]byte(body), tc.kind, csrfField)
			must.Equal(t, tc.err, err)
			must.Equal(t, tc.want, got)
		})
	}
}

// FuzzMultipartField: what is found is what the standard library reads as the one value of
// the field, which is no file's.
func FuzzMultipartField(f *testing.F) {
	for _, body := range []string{
		part(`form-data; name="csrf_token"`, "x"), part(`form-data; name="a"`, "1") + part("form-data; name=csrf_token", ""),
		part(`form-data; name="csrf_token"; filename="a"`, "x"), part(`form-data; name="csrf_token"`+"\r\nContent-Transfer-Encoding: quoted-printable", "=41"),
	} {
		f.Add([]byte(body + "--b--\r\n"))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := multipartField(body, "multipart/form-data; boundary=b", csrfField)
		if err != nil {
			return
		}
		form, err := multipart.NewReader(bytes.NewReader(body), "b").ReadForm(1 << 20)
		must.NoError(t, err)
		must.Equal(t, []string{got}, form.Value[csrfField])
		must.Empty(t, form.File[csrfField])
	})
}
