//! Path resolution (namei).

use crate::device::BlockDevice;
use crate::{Error, Fs, Inum, ROOT};

impl<D: BlockDevice> Fs<D> {
    /// Resolves a path: from the root if it starts with `/`, else from `start`. An empty path is
    /// `start`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotDirectory`] when a component before the last is not a
    /// directory; [`Error::Corrupt`]; [`Error::Device`].
    pub fn resolve(&mut self, start: Inum, path: &[u8]) -> Result<Inum, Error> {
        let mut at = starting_directory(start, path);
        let mut rest = path;
        while let Some((name, after)) = first_component(rest) {
            at = self.lookup(at, name)?.ok_or(Error::NotFound)?;
            rest = after;
        }
        Ok(at)
    }

    /// Resolves all but the last component of a path (xv6's nameiparent), and returns the directory
    /// and the last name, which need not exist.
    ///
    /// # Errors
    /// As [`Fs::resolve`], and [`Error::Invalid`] for a path without a component, such as `/`.
    pub fn resolve_parent<'p>(
        &mut self,
        start: Inum,
        path: &'p [u8],
    ) -> Result<(Inum, &'p [u8]), Error> {
        let mut at = starting_directory(start, path);
        let (mut name, mut rest) = first_component(path).ok_or(Error::Invalid)?;
        while let Some((next, after)) = first_component(rest) {
            at = self.lookup(at, name)?.ok_or(Error::NotFound)?;
            (name, rest) = (next, after);
        }
        self.directory(at)?;
        Ok((at, name))
    }
}

fn starting_directory(start: Inum, path: &[u8]) -> Inum {
    if path.first() == Some(&b'/') {
        ROOT
    } else {
        start
    }
}

/// The first component of a path, and the rest.
fn first_component(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = path.iter().position(|&byte| byte != b'/')?;
    let path = path.get(start..)?;
    let end = path
        .iter()
        .position(|&byte| byte == b'/')
        .unwrap_or(path.len());
    path.split_at_checked(end)
}
