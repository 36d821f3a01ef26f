//! nginx: how it is started, filled and asked.

use super::record::records;
use super::sizes::Sizes;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program in its image.
pub const PROGRAM: &str = "nginx";
/// Where its files are, in its image.
const FILES: &str = "www";
/// Where its settings are, in its image.
const SETTINGS: &str = "nginx.conf";
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Its arguments.
#[must_use]
pub fn arguments() -> Vec<String> {
    ["-p", "/", "-e", "stderr", "-c", SETTINGS].map(ToOwned::to_owned).to_vec()
}

/// Writes its settings and its files into the image at `root`.
pub fn prepare(root: &Path, port: u16, sizes: &Sizes) -> Result<()> {
    let write = |name: &str, content: &[u8]| {
        let path = root.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    for directory in [FILES, "run", "tmp"] {
        let path = root.join(directory);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    write(SETTINGS, settings(port).as_bytes())?;
    for file in 0..sizes.files {
        write(&format!("{FILES}/{}", name(file)), &records(!sizes.seed, file, sizes.file))?;
    }
    Ok(())
}

/// One worker; sendfile and kept connections as Debian's own settings have them, no log.
fn settings(port: u16) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("  {kind}_temp_path /tmp/{kind};\n")).concat();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid /run/nginx.pid;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  default_type text/plain;\n\
         \x20 keepalive_timeout 1d;\n  keepalive_requests 1000000000;\n{temporary}\
         \x20 server {{ listen 127.0.0.1:{port}; root /{FILES}; }}\n}}\n"
    )
}

/// Where its files are, for an image at `root`.
#[must_use]
pub fn files(root: &Path) -> PathBuf {
    root.join(FILES)
}

/// A kept connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Client {
    /// Connects to the server on this port.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("cannot connect to nginx")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), body: Vec::new() })
    }

    /// Gets every file once, so that each is in the page cache of nginx's cgroup.
    pub fn warm(&mut self, sizes: &Sizes) -> Result<()> {
        sizes.order.of(sizes.files, sizes.seed).into_iter().try_for_each(|file| self.get(file, sizes.file))
    }

    /// Gets one file, which has to be of this size.
    pub fn get(&mut self, file: usize, bytes: usize) -> Result<()> {
        let name = name(file);
        let request = format!("GET /{name} HTTP/1.1\r\nHost: bench\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).context("cannot write to nginx")?;
        let status = self.line()?;
        ensure!(status == "HTTP/1.1 200 OK", "nginx answered {status:?} to GET {name}");
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("Content-Length: ").map(ToOwned::to_owned).or(length);
        }
        ensure!(length == Some(bytes.to_string()), "nginx sends {length:?} bytes of {name}, not {bytes}");
        self.body.resize(bytes, 0);
        self.stream.read_exact(&mut self.body).context("nginx did not send the whole file")
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("no answer from nginx")? == 0 {
            bail!("nginx closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

fn name(file: usize) -> String {
    format!("{file:06}")
}
