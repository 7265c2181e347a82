//! How memory is accessed.

use abi::Prot;

/// How a page was accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// The fetch of an instruction.
    Execute,
}

impl Access {
    /// The permission it needs.
    pub(crate) fn needs(self) -> Prot {
        match self {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXEC,
        }
    }

    /// The strongest access that these permissions allow, if any.
    pub(crate) fn strongest(prot: Prot) -> Option<Access> {
        [Access::Write, Access::Read, Access::Execute]
            .into_iter()
            .find(|access| prot.contains(access.needs()))
    }
}
