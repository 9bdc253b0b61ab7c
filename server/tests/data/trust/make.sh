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

# A root, an authority below it, and a client's certificate with its key.
openssl req -x509 -config /dev/null -days 36500 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout "$work/root.key" \
    -subj "/O=Example/CN=Example root" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out "$work/root.pem" 2>/dev/null
issue() { # name, subject, issuer, extensions, arguments for the key
    name=$1 subject=$2 issuer=$3 extensions=$4
    shift 4
    openssl req -config /dev/null -new -nodes -keyout "$work/$name.key" -subj "$subject" "$@" -out "$work/$name.csr" 2>/dev/null
    printf '%s\n' "$extensions" > "$work/extensions"
    openssl x509 -req -in "$work/$name.csr" -CA "$work/$issuer.pem" -CAkey "$work/$issuer.key" -days 36500 \
        -extfile "$work/extensions" -out "$work/$name.pem" 2>/dev/null
}
issue issuing "/O=Example/CN=Example issuing authority" root "basicConstraints=critical,CA:TRUE" -newkey ec -pkeyopt ec_paramgen_curve:P-384
issue client "/O=Example/CN=client.example.com" issuing "subjectAltName=DNS:client.example.com" -newkey rsa:2048
issue other "/O=Example/CN=other.example.com" issuing "subjectAltName=DNS:other.example.com" -newkey ec -pkeyopt ec_paramgen_curve:P-256
for name in root issuing client other; do cp "$work/$name.pem" "$name.pem"; done

# Keys of a client, as they are written: PKCS#8, PKCS#1, SEC 1, encrypted in the new and the old way.
cp "$work/client.key" client.key
openssl rsa -in "$work/client.key" -traditional -out client-pkcs1.key 2>/dev/null
cp "$work/other.key" other.key
openssl ec -in "$work/other.key" -out other-sec1.key 2>/dev/null
openssl pkcs8 -topk8 -in "$work/client.key" -passout pass:changeit -out client-encrypted.key
openssl rsa -in "$work/client.key" -traditional -aes128 -passout pass:changeit -out client-encrypted-pkcs1.key 2>/dev/null
openssl req -config /dev/null -new -key "$work/client.key" -subj /CN=client.example.com -out client.csr
openssl pkcs8 -topk8 -nocrypt -in "$work/client.key" -outform DER -out client.key.der
openssl pkey -in "$work/client.key" -pubout -out client.pub
openssl x509 -in "$work/root.pem" -trustout -addtrust serverAuth -out root-trusted.pem

# PKCS#7: without a signature, and a signed message as it is streamed, in BER.
cat "$work/root.pem" "$work/issuing.pem" > "$work/chain.pem"
openssl crl2pkcs7 -nocrl -certfile "$work/chain.pem" -outform DER -out chain.p7b
openssl crl2pkcs7 -nocrl -certfile "$work/chain.pem" -out chain.p7b.pem
echo hello | openssl cms -sign -stream -nodetach -signer "$work/client.pem" -inkey "$work/client.key" -certfile "$work/chain.pem" -outform DER -out signed.p7m
echo hello | openssl cms -encrypt -outform DER -out encrypted.p7m "$work/client.pem"

# PKCS#12 by OpenSSL: as it is now, as it was, and in other ways.
pkcs12() { # file, arguments
    file=$1
    shift
    openssl pkcs12 -export -in "$work/client.pem" -inkey "$work/client.key" -certfile "$work/chain.pem" -name client -passout pass:changeit -out "$file" "$@"
}
pkcs12 openssl.p12
pkcs12 openssl-legacy.p12 -legacy
pkcs12 openssl-rc2-128.p12 -legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-2DES
pkcs12 openssl-2des.p12 -certpbe PBE-SHA1-2DES -keypbe AES-128-CBC
pkcs12 openssl-sha512.p12 -certpbe DES-EDE3-CBC -keypbe AES-192-CBC -macalg sha512
pkcs12 openssl-rc4.p12 -legacy -certpbe PBE-SHA1-RC4-128
pkcs12 openssl-no-mac.p12 -nomac
openssl pkcs12 -export -nokeys -in "$work/chain.pem" -passout pass: -out openssl-empty-password.p12
openssl pkcs12 -export -nokeys -in "$work/chain.pem" -passout pass:changeit -certpbe NONE -out openssl-unencrypted.p12
openssl pkcs12 -export -in "$work/client.pem" -inkey "$work/client.key" -keypbe NONE -certpbe NONE -passout pass:changeit -out openssl-plain-key.p12
openssl pkcs12 -export -nokeys -in "$work/root.pem" -passout pass:Grüße€ -out openssl-not-ascii.p12

# Java's stores: two trusted certificates; and a key with its chain beside one.
store() { # file, type, further arguments
    file=$1 type=$2
    shift 2
    rm -f "$file"
    keytool "$@" -importcert -noprompt -alias "Example Root" -file "$work/root.pem" -keystore "$file" -storetype "$type" -storepass changeit 2>/dev/null
    keytool "$@" -importcert -noprompt -alias issuing -file "$work/issuing.pem" -keystore "$file" -storetype "$type" -storepass changeit 2>/dev/null
}
keys() { # file, type
    rm -f "$1"
    keytool -importkeystore -noprompt -srckeystore openssl.p12 -srcstoretype PKCS12 -srcstorepass changeit -destkeystore "$1" -deststoretype "$2" -deststorepass changeit 2>/dev/null
    keytool -importcert -noprompt -alias other -file "$work/other.pem" -keystore "$1" -storetype "$2" -storepass changeit 2>/dev/null
}
store truststore.jks JKS
store truststore.jceks JCEKS
store truststore.p12 PKCS12
store truststore-legacy.p12 PKCS12 -J-Dkeystore.pkcs12.legacy=true
store unprotected.p12 PKCS12 -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE -J-Dkeystore.pkcs12.macAlgorithm=NONE
keys keystore.jks JKS
keys keystore.p12 PKCS12
cp keystore.p12 two-keys.p12
keytool -genkeypair -alias second -keyalg EC -dname CN=second.example.com -keystore two-keys.p12 -storepass changeit 2>/dev/null
cp truststore.jceks secret.jceks
keytool -genseckey -alias secret -keyalg AES -keysize 128 -keystore secret.jceks -storetype JCEKS -storepass changeit 2>/dev/null
cp truststore.p12 secret.p12
keytool -genseckey -alias secret -keyalg AES -keysize 128 -keystore secret.p12 -storepass changeit 2>/dev/null

# Of Bouncy Castle (BCPROV: its jar), which writes PKCS#12 in BER, and of NSS (PK12UTIL, CERTUTIL).
bouncy() { # file, type
    rm -f "$1"
    keytool -importcert -noprompt -alias root -file "$work/root.pem" -keystore "$1" -storetype "$2" -storepass changeit \
        -providerpath "$BCPROV" -provider org.bouncycastle.jce.provider.BouncyCastleProvider 2>/dev/null
}
if [ -n "${BCPROV-}" ]; then
    bouncy bouncy-castle.bks BKS
    bouncy bouncy-castle.uber UBER
    bouncy bouncy-castle.bcfks BCFKS
    rm -f bouncy-castle.p12
    keytool -importkeystore -noprompt -srckeystore keystore.p12 -srcstorepass changeit -destkeystore bouncy-castle.p12 -deststoretype PKCS12 -deststorepass changeit \
        -destprovidername BC -providerpath "$BCPROV" -provider org.bouncycastle.jce.provider.BouncyCastleProvider 2>/dev/null
fi
if [ -n "${PK12UTIL-}" ]; then
    mkdir "$work/nss"
    "$CERTUTIL" -N -d "$work/nss" --empty-password
    "$PK12UTIL" -i openssl.p12 -W changeit -d "$work/nss" -K "" > "$work/log"
    "$PK12UTIL" -o nss.p12 -n client -W changeit -d "$work/nss" -K "" > "$work/log"
fi
