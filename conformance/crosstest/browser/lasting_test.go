package browser

import (
	"fmt"
	"slices"
	"strings"
)

// restarted is a browser that was closed and started again with the same profile, after
// somebody had logged in to the application of each world. It blocks the cookies of third
// parties.
type restarted struct {
	shared
	found map[*world]*lasting // what the log-ins left in the jar
}

// lasting is one of them.
type lasting struct {
	user     string
	values   map[string]string
	problems []string
}

const lastingName = "lasting/browser-restart"

// begin logs in to all worlds and restarts the browser. No check may be under way.
func (r *restarted) begin(env *environment, worlds []*world) error {
	r.found = map[*world]*lasting{}
	c, err := start(r.dir, r.launch)
	if err != nil {
		return err
	}
	for _, w := range worlds {
		if w.sabotage != nil && !slices.Contains(w.sabotage.caught, lastingName) {
			continue
		}
		l := &lasting{user: "ada-" + w.framework, values: map[string]string{}}
		r.found[w] = l
		l.problems = env.perform(w, check{name: lastingName, run: func(t *try) { l.enter(t, c) }})
	}
	if err := c.stop(); err != nil {
		return err
	}
	_, err = r.get()
	return err
}

// enter logs in by both ways, for a session and for a refresh token.
func (l *lasting) enter(t *try, c *chromium) {
	t.use(c)
	b := t.listen(t.first)
	b.login(t.app, l.user)
	t.Equal(200, b.post("/auth/login", credentials{l.user, "open sesame"}).Status)
	for _, name := range []string{t.app.sessions.Cookie().Name(), t.app.rotator.Cookie().Name()} {
		for _, cookie := range t.jar(name) {
			l.values[name] = cookie.Value
		}
	}
	t.Len(l.values, 2)
}

var lastingChecks = []check{
	{
		name: lastingName, rule: "Who closes the browser and starts it again is still logged in",
		run: func(t *try) {
			c, err := t.env.strict.get()
			t.NoError(err)
			l := t.env.strict.found[t.world]
			t.Empty(l.problems, "before: %s", strings.Join(l.problems, "\n"))
			t.use(c)
			b := t.listen(t.first)
			b.open(t.app.origin + "/")
			t.Equal("You are "+l.user+".", b.text("#who"))
			b.shot("restarted")
			saw := t.app.journal.requests("GET", "/")
			t.Len(saw, 1)
			for name, value := range l.values {
				t.Contains(saw[0].cookies, fmt.Sprintf("%s=%s", name, value))
			}
			got := b.post("/auth/refresh", struct{}{})
			t.Equal(200, got.Status, got.Text)
		},
	},
}
