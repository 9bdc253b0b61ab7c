//! What is in a back-up: rows of tables, keys, and an end that counts them. Lengths come first, in 4 bytes, big-endian.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::container::{ReadError, Reader};
use crate::seal::{KEY_LENGTH, Key, KeyName, KeyPurpose};
use crate::store::Row;

const ROW: u8 = 1;
const KEY: u8 = 2;
const END: u8 = 3;
/// The most bytes of a name or a key.
const MAX_NAME: usize = 4 << 10;
/// The most bytes of a value. The longest is the transcript of a test, which is capped far below it.
const MAX_VALUE: usize = 64 << 20;
/// Bytes that are read at once: a length is not believed before as much has arrived.
const AT_ONCE: usize = 64 << 10;

/// How much there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) rows: u64,
    pub(super) keys: u64,
}

/// One of them.
pub(super) enum Line {
    Row { table: String, key: Vec<u8>, value: Zeroizing<Vec<u8>> },
    Key { name: KeyName, key: Key },
    End(Counted),
}

pub(super) fn write_row(out: &mut impl Write, row: Row<'_>) -> io::Result<()> {
    out.write_all(&[ROW])?;
    for part in [row.table.as_bytes(), row.key, row.value] {
        write_part(out, part)?;
    }
    Ok(())
}

pub(super) fn write_key(out: &mut impl Write, name: KeyName, key: &Key) -> io::Result<()> {
    out.write_all(&[KEY])?;
    write_part(out, name.purpose.key().as_bytes())?;
    out.write_all(&name.number.to_be_bytes())?;
    out.write_all(key.bytes())
}

pub(super) fn write_end(out: &mut impl Write, counted: Counted) -> io::Result<()> {
    out.write_all(&[END])?;
    out.write_all(&counted.rows.to_be_bytes())?;
    out.write_all(&counted.keys.to_be_bytes())
}

fn write_part(out: &mut impl Write, part: &[u8]) -> io::Result<()> {
    let length = u32::try_from(part.len()).map_err(|_| io::Error::other("a value is longer than 4 GiB"))?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(part)
}

/// The next line.
pub(super) fn read<R: Read>(reader: &mut Reader<R>) -> Result<Line, ReadError> {
    match array(reader)? {
        [ROW] => {
            let table = text(reader)?;
            let key = part(reader, MAX_NAME)?.to_vec();
            Ok(Line::Row { table, key, value: part(reader, MAX_VALUE)? })
        }
        [KEY] => {
            let purpose = text(reader)?;
            let purpose = KeyPurpose::ALL.into_iter().find(|known| known.key() == purpose);
            let purpose = purpose.ok_or(ReadError::Damaged("a key is for what this program doesn't know"))?;
            let name = KeyName { purpose, number: u32::from_be_bytes(array(reader)?) };
            let mut key = Zeroizing::new([0; KEY_LENGTH]);
            reader.bytes(key.as_mut_slice())?;
            Ok(Line::Key { name, key: Key::new(key) })
        }
        [END] => Ok(Line::End(Counted { rows: u64::from_be_bytes(array(reader)?), keys: u64::from_be_bytes(array(reader)?) })),
        _ => Err(ReadError::Damaged("a line of it is of an unknown kind")),
    }
}

fn array<const N: usize, R: Read>(reader: &mut Reader<R>) -> Result<[u8; N], ReadError> {
    let mut bytes = [0; N];
    reader.bytes(&mut bytes)?;
    Ok(bytes)
}

fn text<R: Read>(reader: &mut Reader<R>) -> Result<String, ReadError> {
    String::from_utf8(part(reader, MAX_NAME)?.to_vec()).map_err(|_| ReadError::Damaged("a name in it is no text"))
}

fn part<R: Read>(reader: &mut Reader<R>, max: usize) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let length = usize::try_from(u32::from_be_bytes(array(reader)?)).unwrap_or(usize::MAX);
    if length > max {
        return Err(ReadError::Damaged("a value in it is too long"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.min(AT_ONCE)));
    while bytes.len() < length {
        let from = bytes.len();
        bytes.resize(length.min(from + AT_ONCE), 0);
        reader.bytes(&mut bytes[from..])?;
    }
    Ok(bytes)
}
