package demo

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport-go/sallyport/core/session"
)

// What the application keeps in a session.
var (
	cartKey = session.NewKey[Cart]("cart")
	lateKey = session.NewKey[string]("late")
	visits  = session.NewCounter("visits")
	clicks  = session.NewCounter("clicks")
	notices = session.NewFlash[string]("notices")
	reports = session.NewFlash[Report]("reports")
)

// Cart is a shopping cart.
type Cart struct{ Lines []Line }

// Line is how much of a product is in the cart.
type Line struct {
	Product string
	Count   int
}

// Products is what can be bought.
var Products = []string{"Tea", "Bread", "Honey"}

// ErrProduct is a product that is not sold here.
var ErrProduct = errors.New("no such product")

func (c Cart) with(product string) Cart {
	c.Lines = slices.Clone(c.Lines) // the old cart is what the new one is compared with
	i := slices.IndexFunc(c.Lines, func(l Line) bool { return l.Product == product })
	if i < 0 {
		return Cart{append(c.Lines, Line{product, 1})}
	}
	c.Lines[i].Count++
	return c
}

// AddToCart puts one piece into the cart. It reads, changes and writes, so of two
// at once one would be lost if it simply set the value.
func (a *App) AddToCart(s *session.Session, product string) error {
	i := slices.Index(Products, product)
	if i < 0 {
		return ErrProduct
	}
	for {
		old, ok, err := cartKey.Get(s)
		if err != nil {
			return err
		}
		if next := old.with(Products[i]); ok {
			err = cartKey.CompareAndSet(s, old, next)
		} else {
			err = cartKey.SetIfAbsent(s, next)
		}
		if !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
}

// EmptyCart throws the cart away.
func (a *App) EmptyCart(s *session.Session) error { return cartKey.Delete(s) }

// Click counts one. However many do at once, each is counted.
func (a *App) Click(s *session.Session) error { return clicks.Add(s, 1) }

// Clicks is the count.
func (a *App) Clicks(s *session.Session) (int64, error) { return clicks.Get(s) }

// Slow waits and then writes into the session, as a slow upload would.
func (a *App) Slow(ctx context.Context, s *session.Session) error {
	a.slow(ctx)
	return lateKey.Set(s, "written by a slow request")
}

// Wait only waits. In front of a guard, it makes a request that carries the cookie
// of now and has it checked later; in front of a refresh, likewise.
func (a *App) Wait(ctx context.Context) { a.slow(ctx) }
