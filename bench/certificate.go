package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"example.com/rawhttp/bench/servers/contract"
)

// makeCertificate makes a certificate for 127.0.0.1 in the folder, of the kind that most
// sites have: ECDSA with P-256.
func makeCertificate(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(0, 0, 1),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, contract.KeyFile), "PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(filepath.Join(folder, contract.CertFile), "CERTIFICATE", cert)
}

func writePEM(name, title string, b []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: title, Bytes: b}), 0o600)
}
