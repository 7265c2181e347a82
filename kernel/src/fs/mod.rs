//! Files: the xv6 file system under one sleeping lock, inodes in memory with their cached pages,
//! open files, pipes.
//!
//! Locks, from the outside: the file system, then a file's object. Neither is held while user
//! memory is touched, because a fault may need both.

mod cache;
mod file;
mod inode;
mod namei;
mod pipe;
mod program;
mod text;
mod volume;

pub use cache::{InodeRef, counts, init as init_cache, pages, try_pages};
pub use file::{File, FileTable, open_files};
pub use namei::{create, find, link, root, unlink};
pub use pipe::pipes;
pub use program::{TextFile, part_to_run};
pub use volume::{lock, mount, set_sync, shut_down, sync};
