//! Paths: names with `/` between them.

use crate::device::BlockDevice;
use crate::{Error, Fs, Inum, ROOT};

impl<D: BlockDevice> Fs<D> {
    /// The inode that a path leads to: from the root if it starts with `/`, else from `start`. An
    /// empty path leads to `start`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotDirectory`] when something on the way is none;
    /// [`Error::Corrupt`]; [`Error::Device`].
    pub fn resolve(&mut self, start: Inum, path: &[u8]) -> Result<Inum, Error> {
        let mut at = origin(start, path);
        let mut rest = path;
        while let Some((name, after)) = first_name(rest) {
            at = self.lookup(at, name)?.ok_or(Error::NotFound)?;
            rest = after;
        }
        Ok(at)
    }

    /// The directory that a path's last name is in, or would be, and that name. The directory has
    /// been looked up, the name has not.
    ///
    /// # Errors
    /// As [`Fs::resolve`], and [`Error::Invalid`] for a path without a name, such as `/`.
    pub fn resolve_parent<'p>(
        &mut self,
        start: Inum,
        path: &'p [u8],
    ) -> Result<(Inum, &'p [u8]), Error> {
        let mut at = origin(start, path);
        let (mut name, mut rest) = first_name(path).ok_or(Error::Invalid)?;
        while let Some((next, after)) = first_name(rest) {
            at = self.lookup(at, name)?.ok_or(Error::NotFound)?;
            (name, rest) = (next, after);
        }
        self.directory(at)?;
        Ok((at, name))
    }
}

fn origin(start: Inum, path: &[u8]) -> Inum {
    if path.first() == Some(&b'/') {
        ROOT
    } else {
        start
    }
}

/// The first name of a path and what follows it.
fn first_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = path.iter().position(|&byte| byte != b'/')?;
    let path = path.get(start..)?;
    let end = path
        .iter()
        .position(|&byte| byte == b'/')
        .unwrap_or(path.len());
    path.split_at_checked(end)
}
