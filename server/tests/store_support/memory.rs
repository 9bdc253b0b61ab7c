//! A file in memory that stays when it is closed.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use server::store::{Backends, OpenError};

#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Backends for Memory {
    fn open(&self) -> Result<Box<dyn StorageBackend>, OpenError> {
        Ok(Box::new(self.clone()))
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read(&self.0.lock().unwrap(), offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write(&mut self.0.lock().unwrap(), offset, data);
        Ok(())
    }
}

pub(crate) fn read(bytes: &[u8], offset: u64, out: &mut [u8]) -> io::Result<()> {
    let start = usize::try_from(offset).unwrap();
    let found = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
    out.copy_from_slice(found);
    Ok(())
}

pub(crate) fn write(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = usize::try_from(offset).unwrap();
    if bytes.len() < start + data.len() {
        bytes.resize(start + data.len(), 0);
    }
    bytes[start..start + data.len()].copy_from_slice(data);
}
