// Package testkit has helpers that the tests of more than one package use: connections that
// record or repeat, folders with links that lead out, and threads on which the system refuses
// a call. Only tests import it. It knows nothing of the root package, whose tests import it.
package testkit
