//! redis: how it is started, filled and asked.

use super::record::records;
use super::sizes::Sizes;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The program as Debian's redis-tools has it: it is what its name says.
pub const INSTALLED: &str = "redis-check-rdb";
/// The program in its image.
pub const PROGRAM: &str = "redis-server";
/// Commands that are sent before their answers are read, while it is filled.
const PIPELINE: usize = 100;
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Its arguments. It keeps everything in memory and saves nothing. `huge` lets it have transparent huge
/// pages, which it switches off for itself otherwise.
#[must_use]
pub fn arguments(port: u16, huge: bool) -> Vec<String> {
    let settings = [
        ("--port", port.to_string()),
        ("--bind", "127.0.0.1".to_owned()),
        ("--save", String::new()),
        ("--appendonly", "no".to_owned()),
        ("--dir", "/".to_owned()),
        ("--disable-thp", if huge { "no" } else { "yes" }.to_owned()),
    ];
    settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// A kept connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    value: Vec<u8>,
}

impl Client {
    /// Connects to the server on this port.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("cannot connect to redis")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), value: Vec::new() })
    }

    /// Whether it answers.
    pub fn ping(&mut self) -> Result<()> {
        self.send(b"PING\r\n")?;
        let answer = self.line()?;
        ensure!(answer == "+PONG", "redis answered {answer:?} to PING");
        Ok(())
    }

    /// Sets every key, in the order that `sizes` say.
    pub fn fill(&mut self, sizes: &Sizes) -> Result<()> {
        for keys in sizes.order.of(sizes.keys, sizes.seed).chunks(PIPELINE) {
            let mut commands = Vec::new();
            for key in keys {
                let name = name(*key);
                let value = records(sizes.seed, *key, sizes.value);
                write!(commands, "*3\r\n$3\r\nSET\r\n${}\r\n{name}\r\n${}\r\n", name.len(), value.len())?;
                commands.extend_from_slice(&value);
                commands.extend_from_slice(b"\r\n");
            }
            self.send(&commands)?;
            for _ in keys {
                let answer = self.line()?;
                ensure!(answer == "+OK", "redis answered {answer:?} to SET");
            }
        }
        Ok(())
    }

    /// Gets one key, whose value has to be of this size.
    pub fn get(&mut self, key: usize, bytes: usize) -> Result<()> {
        let name = name(key);
        let command = format!("*2\r\n$3\r\nGET\r\n${}\r\n{name}\r\n", name.len());
        self.send(command.as_bytes())?;
        let length = self.line()?;
        ensure!(length == format!("${bytes}"), "redis answered {length:?} to GET {name}");
        self.value.resize(bytes + 2, 0);
        self.stream.read_exact(&mut self.value).context("redis did not send the whole value")
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).context("cannot write to redis")
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("no answer from redis")? == 0 {
            bail!("redis closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

fn name(key: usize) -> String {
    format!("key:{key:08}")
}
