//! What the user asked for: flags, or environment variables of the names that `make` knows.

use crate::{c::Dialect, volume::Format};
use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;
use rustix::process::Pid;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// How guest code is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    /// Release with assertions, overflow and lock-rank checks.
    Checked,
}

impl Profile {
    /// Cargo's name, and that of the output directory.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Checked => "checked",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Profile> {
        match name {
            "release" => Ok(Profile::Release),
            "checked" => Ok(Profile::Checked),
            other => bail!("profile {other:?}: it may be release or checked"),
        }
    }
}

/// The virtual machine's size, and what else QEMU is told.
#[derive(Clone, Debug)]
pub(crate) struct Hardware {
    pub(crate) cpus: u32,
    /// As QEMU writes it, `128M`.
    pub(crate) mem: String,
    /// One instruction is one nanosecond of the guest's clock.
    pub(crate) icount: bool,
    pub(crate) extra: Vec<String>,
    /// Boot arguments for the kernel itself.
    pub(crate) boot: String,
}

/// The command line and the environment, checked.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) verb: String,
    /// What stands behind the verb.
    pub(crate) rest: Vec<String>,
    pub(crate) hardware: Hardware,
    pub(crate) profile: Profile,
    /// Of the kernel, on top of its default ones.
    pub(crate) features: Vec<String>,
    pub(crate) cmd: Option<String>,
    pub(crate) add: Vec<PathBuf>,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) gdb_port: u16,
    /// How many guests `test` runs at once; `None` lets it choose.
    pub(crate) jobs: Option<usize>,
    /// `test` and others: only tell what there is.
    pub(crate) list: bool,
    /// Of images that are made.
    pub(crate) format: Format,
    /// `image`: only these of the programs.
    pub(crate) programs: Option<Vec<String>>,
    /// `cc`: not what the includes tell.
    pub(crate) dialect: Option<Dialect>,
    /// `boot`: nothing is written to the image.
    pub(crate) scratch: bool,
    /// `boot`: for gdb.
    pub(crate) wait: bool,
    /// `grade`: which lab.
    pub(crate) lab: Option<String>,
    /// `grade`: a file for the results.
    pub(crate) out: Option<PathBuf>,
    /// `grade`: what the results call the tree, instead of its path.
    pub(crate) tree: Option<String>,
    /// `grade`: until a guest runs its first program.
    pub(crate) boot_timeout: Duration,
    /// The processes above scripts/xtask when it was called, from its parent upwards.
    pub(crate) above: Option<Vec<Pid>>,
}

/// The environment's value; an empty one counts as none, since `make` exports all it knows.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The least memory that Pagoda comes to a prompt with, and runs `ls | wc`; with less, QEMU finds no place
/// for the device tree behind the kernel.
const LEAST_MEMORY: f64 = 5.0 * MIB;
const MIB: f64 = (1 << 20) as f64;

/// Checks a size of memory, written as QEMU takes it: in MiB, or with a unit behind it.
fn memory(text: &str) -> Result<()> {
    let wrong = || format!("MEM={text}: a size is wanted, like 128M or 1G");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "B" => 1.0,
        "K" => MIB / 1024.0,
        "" | "M" => MIB,
        "G" => MIB * 1024.0,
        "T" => MIB * 1024.0 * 1024.0,
        _ => bail!(wrong()),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let count: f64 = digits.parse().ok().filter(|_| plain).with_context(wrong)?;
    ensure!(
        count * unit >= LEAST_MEMORY,
        "MEM={text}: Pagoda needs {}M at least",
        LEAST_MEMORY / MIB
    );
    Ok(())
}

fn port(text: &str) -> Result<u16> {
    let port = text.parse().ok().filter(|&port: &u16| port > 0);
    port.with_context(|| format!("GDBPORT={text}: a port from 1 to 65535 is wanted"))
}

fn switch(what: &str, text: &str) -> Result<bool> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => bail!("{what}={text}: 1 or 0 is wanted"),
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse()
        .ok()
        .with_context(|| format!("{what}={text}: a whole number is wanted"))
}

/// Processes by their numbers, up to the first that is none.
fn processes(numbers: &[String]) -> Result<Vec<Pid>> {
    let number = |text: &String| number("--above", text).map(Pid::from_raw);
    let numbers: Result<Vec<Option<Pid>>> = numbers.iter().map(number).collect();
    Ok(numbers?.into_iter().map_while(|pid| pid).collect())
}

impl Options {
    /// Reads the environment first, then the command line over it.
    pub(crate) fn parse() -> Result<Options> {
        Options::parse_from(lexopt::Parser::from_env(), env)
    }

    fn parse_from(
        mut parser: lexopt::Parser,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Options> {
        let mut set = Settings::from_env(env);
        let mut verb = String::new();
        let mut rest = Vec::new();
        let (mut list, mut scratch, mut wait) = (false, false, false);
        while let Some(argument) = parser.next()? {
            let slot = match argument {
                Value(value) if verb.is_empty() => {
                    verb = string(value)?;
                    continue;
                }
                Value(value) => {
                    rest.push(string(value)?);
                    continue;
                }
                Long("list") => {
                    list = true;
                    continue;
                }
                Long("large-files") => {
                    set.large_files = Some("1".into());
                    continue;
                }
                Long("scratch") => {
                    scratch = true;
                    continue;
                }
                Long("wait") => {
                    wait = true;
                    continue;
                }
                Short('h') | Long("help") => {
                    verb = "help".into();
                    continue;
                }
                Long("cpus") => &mut set.cpus,
                Long("mem") => &mut set.mem,
                Long("icount") => &mut set.icount,
                Long("profile") => &mut set.profile,
                Long("features") => &mut set.features,
                Long("qemu") => &mut set.qemu,
                Long("boot") => &mut set.boot,
                Long("cmd") => &mut set.cmd,
                Long("add") => &mut set.add,
                Long("keep") => &mut set.keep,
                Long("timeout") => &mut set.timeout,
                Long("port") => &mut set.port,
                Long("jobs") => &mut set.jobs,
                Long("lab") => &mut set.lab,
                Long("out") => &mut set.out,
                Long("tree") => &mut set.tree,
                Long("boot-timeout") => &mut set.boot_timeout,
                Long("programs") => &mut set.programs,
                Long("above") => &mut set.above,
                Long("dialect") => &mut set.dialect,
                other => return Err(other.unexpected().into()),
            };
            *slot = Some(string(parser.value()?)?);
        }
        let options = set.check(verb, rest)?;
        Ok(Options {
            list,
            scratch,
            wait,
            ..options
        })
    }
}

fn string(value: OsString) -> Result<String> {
    value.into_string().ok().context("an argument is not UTF-8")
}

/// The settings as text, before they are checked.
struct Settings {
    cpus: Option<String>,
    mem: Option<String>,
    icount: Option<String>,
    profile: Option<String>,
    features: Option<String>,
    qemu: Option<String>,
    boot: Option<String>,
    cmd: Option<String>,
    add: Option<String>,
    keep: Option<String>,
    timeout: Option<String>,
    port: Option<String>,
    jobs: Option<String>,
    lab: Option<String>,
    out: Option<String>,
    tree: Option<String>,
    boot_timeout: Option<String>,
    large_files: Option<String>,
    programs: Option<String>,
    dialect: Option<String>,
    above: Option<String>,
}

impl Settings {
    fn from_env(env: impl Fn(&str) -> Option<String>) -> Settings {
        Settings {
            cpus: env("CPUS"),
            mem: env("MEM"),
            icount: env("ICOUNT"),
            profile: env("PROFILE"),
            features: env("FEATURES"),
            qemu: env("QEMUEXTRA"),
            boot: env("BOOT"),
            cmd: env("CMD"),
            add: env("ADD"),
            keep: env("KEEP"),
            timeout: env("TIMEOUT"),
            port: env("GDBPORT"),
            jobs: env("JOBS"),
            lab: env("LAB"),
            out: env("OUT"),
            tree: env("TREE"),
            boot_timeout: env("XV6_BOOT_TIMEOUT"),
            large_files: env("LARGE_FILES"),
            programs: None,
            dialect: None,
            above: None,
        }
    }

    fn check(self, verb: String, rest: Vec<String>) -> Result<Options> {
        let icount = switch("ICOUNT", self.icount.as_deref().unwrap_or("0"))?;
        // Where instructions are counted, harts take turns: one is what can be measured best.
        let default = if icount { "1" } else { "3" };
        let cpus = number("CPUS", self.cpus.as_deref().unwrap_or(default))?;
        if !(1..=8).contains(&cpus) {
            bail!("CPUS={cpus}: Pagoda runs on 1 to 8 harts");
        }
        let mem = self.mem.unwrap_or_else(|| "128M".into());
        memory(&mem)?;
        Ok(Options {
            verb,
            rest,
            hardware: Hardware {
                cpus,
                mem,
                icount,
                extra: words(&self.qemu.unwrap_or_default()),
                boot: self.boot.unwrap_or_default(),
            },
            profile: Profile::from_name(self.profile.as_deref().unwrap_or("release"))?,
            features: words(&self.features.unwrap_or_default()),
            cmd: self.cmd,
            add: words(&self.add.unwrap_or_default())
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            keep: self.keep.map(PathBuf::from),
            timeout: Duration::from_secs(number(
                "TIMEOUT",
                self.timeout.as_deref().unwrap_or("120"),
            )?),
            gdb_port: port(self.port.as_deref().unwrap_or("26000"))?,
            jobs: self.jobs.map(|jobs| number("JOBS", &jobs)).transpose()?,
            list: false,
            format: match switch("LARGE_FILES", self.large_files.as_deref().unwrap_or("0"))? {
                true => Format::LargeFiles,
                false => Format::Plain,
            },
            programs: self.programs.as_deref().map(words),
            dialect: self
                .dialect
                .as_deref()
                .map(Dialect::from_name)
                .transpose()?,
            scratch: false,
            wait: false,
            lab: self.lab,
            out: self.out.map(PathBuf::from),
            tree: self.tree,
            boot_timeout: Duration::from_secs(number(
                "XV6_BOOT_TIMEOUT",
                self.boot_timeout.as_deref().unwrap_or("30"),
            )?),
            above: match self.above.as_deref().map(words) {
                Some(pids) => Some(processes(&pids)?),
                None => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Options> {
        Options::parse_from(lexopt::Parser::from_args(arguments), |name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn defaults() {
        let options = parse(&["run"], &[]).unwrap();
        assert_eq!(
            (options.hardware.cpus, options.hardware.mem.as_str()),
            (3, "128M")
        );
        assert_eq!(options.timeout, Duration::from_secs(120));
        assert_eq!(options.profile, Profile::Release);
    }

    #[test]
    fn flags_win_over_the_environment() {
        let environment = [
            ("CPUS", "2"),
            ("CMD", "ls; wc README"),
            ("QEMUEXTRA", "-icount shift=0"),
        ];
        let options = parse(&["run", "--cpus", "5"], &environment).unwrap();
        assert_eq!(options.hardware.cpus, 5);
        assert_eq!(options.cmd.as_deref(), Some("ls; wc README"));
        assert_eq!(options.hardware.extra, ["-icount", "shift=0"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for environment in [
            ("CPUS", "0"),
            ("CPUS", "9"),
            ("CPUS", "two"),
            ("TIMEOUT", "-1"),
            ("ICOUNT", "yes"),
        ] {
            assert!(
                parse(&["run"], &[environment]).is_err(),
                "{environment:?} was taken"
            );
        }
        assert!(parse(&["run", "--frobnicate"], &[]).is_err());
    }

    fn refusal(name: &str, value: &str) -> String {
        parse(&["run"], &[(name, value)]).unwrap_err().to_string()
    }

    #[test]
    fn memory_is_what_pagoda_can_run_in() {
        for size in ["5M", "5", "5120K", "128m", "1G", "0.5g", "5242880B", "1T"] {
            let options = parse(&["run"], &[("MEM", size)]).expect(size);
            assert_eq!(options.hardware.mem, size);
        }
        for size in ["0", "1", "1K", "4M", "4.9M", "5119K", "5242879B", "0G"] {
            let expected = format!("MEM={size}: Pagoda needs 5M at least");
            assert_eq!(refusal("MEM", size), expected);
        }
        for size in [
            "lots",
            "128MB",
            "-1G",
            "1e3",
            "size=128M",
            "M",
            "1..2",
            "inf",
        ] {
            let expected = format!("MEM={size}: a size is wanted, like 128M or 1G");
            assert_eq!(refusal("MEM", size), expected);
        }
    }

    #[test]
    fn a_port_is_one() {
        let options = parse(&["gdb"], &[("GDBPORT", "65535")]).unwrap();
        assert_eq!(options.gdb_port, 65535);
        for port in ["0", "65536", "99999", "-1", "gdb"] {
            let expected = format!("GDBPORT={port}: a port from 1 to 65535 is wanted");
            assert_eq!(refusal("GDBPORT", port), expected);
        }
    }

    #[test]
    fn counting_instructions_takes_one_hart_unless_told() {
        let icount = ("ICOUNT", "1");
        let options = parse(&["run"], &[icount]).unwrap();
        assert_eq!((options.hardware.icount, options.hardware.cpus), (true, 1));
        let options = parse(&["run"], &[icount, ("CPUS", "4")]).unwrap();
        assert_eq!((options.hardware.icount, options.hardware.cpus), (true, 4));
        let options = parse(&["run"], &[]).unwrap();
        assert!(!options.hardware.icount);
    }
}
