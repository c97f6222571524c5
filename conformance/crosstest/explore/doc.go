// Command explore walks through every interleaving of three honest tabs and a thief
// around one refresh family, with requests and answers that get lost or come late, a
// server that crashes between its decision and its answer, a store that forgets its last
// write, and a logout under way. It checks at every step what DESIGN promises of
// rotation, prints how much it has seen, and exits with 1 if the rule of package refresh
// breaks a promise, or if one of the other schemes and variants that are there for
// comparison breaks none.
//
// Every decision about a token is taken by a real refresh.Rotator on a real
// memstore.Store, with a clock that is moved by hand. They are asked once for each state
// that a family can be in: states are told apart by what the store keeps, generations
// counted from the latest, times as ages. What the tabs, the thief and the network do
// around it is a model, walked breadth first until there is nothing new: generations and
// time have no bound but that. That nothing else matters to a decision is not taken on
// trust: of all states a sample is reached again by its whole history, on a new store and
// with the very tokens that were answered, and has to come out the same.
//
// Usage:
//
//	go run ./explore [-short]
package main
