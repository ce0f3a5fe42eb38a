//! Failures of the disk on demand, for this crate's tests; without them, nothing at all.

use std::io;
#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, Ordering};

/// Which of the log's system calls fail now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    #[cfg(test)]
    pub(crate) write: Arc<AtomicBool>,
    #[cfg(test)]
    pub(crate) sync: Arc<AtomicBool>,
}

impl Faults {
    pub(crate) fn before_write(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.write.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(crate) fn before_sync(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.sync.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
}
