#!/bin/sh
# Makes the files of this directory anew: throw-away keys and certificates, no secrets. Needs OpenSSL 3 and Java's keytool.
# They are committed so that the tests need neither.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Kinds of keys that the tests' own generator doesn't make; without a configuration OpenSSL makes certificates of version 1.
certificate() { # file, subject, arguments for the key
    file=$1 subject=$2
    shift 2
    openssl req -x509 -config /dev/null -days 36500 -nodes -keyout "$work/key.pem" -subj "$subject" "$@" -outform DER -out "$file" 2>/dev/null
}
certificate rsa-1024-version-1.der "/O=Example/CN=Old authority" -newkey rsa:1024
certificate rsa-2048.der "/CN=rsa.example.com" -newkey rsa:2048 -addext subjectAltName=DNS:rsa.example.com
certificate rsa-pss-2048.der "/CN=pss.example.com" -newkey rsa-pss -pkeyopt rsa_keygen_bits:2048
certificate ecdsa-p521.der "/CN=p521.example.com" -newkey ec -pkeyopt ec_paramgen_curve:P-521
certificate ed448.der "/CN=ed448.example.com" -newkey ed448
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out "$work/dsa.pem" 2>/dev/null
certificate dsa.der "/CN=dsa.example.com" -newkey "dsa:$work/dsa.pem"
