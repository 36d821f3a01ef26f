//! Both servers, each in an image and a cgroup of its own.

use super::image::Image;
use super::sizes::Sizes;
use super::usage::{FINCORE, cached};
use super::{nginx, redis};
use crate::guest::Cgroup;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Where servers listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Port of redis.
    pub redis: u16,
    /// Port of nginx.
    pub nginx: u16,
}

/// What both are started from: their images, with nginx's files.
#[derive(Debug)]
pub struct Images {
    redis: Image,
    nginx: Image,
    ports: Ports,
}

impl Images {
    /// Makes them below a directory, whose files should be page cache when they are read: on a disk.
    pub fn create(directory: &Path, ports: Ports, sizes: &Sizes) -> Result<Self> {
        let redis = Image::create(&directory.join("redis"), &[(redis::INSTALLED, redis::PROGRAM)])?;
        let nginx =
            Image::create(&directory.join("nginx"), &[(nginx::PROGRAM, nginx::PROGRAM), (FINCORE, FINCORE)])?;
        Self::fill(redis, nginx, ports, sizes)
    }

    /// Puts nginx's settings and files into images that have nothing but their programs.
    pub fn fill(redis: Image, nginx: Image, ports: Ports, sizes: &Sizes) -> Result<Self> {
        nginx::prepare(nginx.root(), ports.nginx, sizes)?;
        Ok(Self { redis, nginx, ports })
    }

    /// Where the servers listen.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Bytes of nginx's files that are in the page cache.
    pub fn cached(&self) -> Result<u64> {
        cached(&self.nginx, &nginx::files(self.nginx.root()))
    }
}

/// Two running servers.
#[derive(Debug)]
pub struct Servers {
    /// The cgroup that has both.
    pub parent: Cgroup,
    /// redis' cgroup.
    pub redis: Cgroup,
    /// nginx's cgroup.
    pub nginx: Cgroup,
    children: [Child; 2],
}

impl Servers {
    /// Starts both, fills redis, and reads each of nginx's files once. `huge`: see [`redis::arguments`].
    pub fn start(images: &Images, parent: &str, sizes: &Sizes, huge: bool) -> Result<Self> {
        let redis = Cgroup::create(&format!("{parent}/redis"))?;
        let nginx = Cgroup::create(&format!("{parent}/nginx"))?;
        let parent = Cgroup::create(parent)?;
        let Ports { redis: port, nginx: web } = images.ports;
        let children = [
            start(&redis, &images.redis, redis::PROGRAM, &redis::arguments(port, huge))?,
            start(&nginx, &images.nginx, nginx::PROGRAM, &nginx::arguments())?,
        ];
        let mut servers = Self { parent, redis, nginx, children };
        let mut client = servers.answer("redis", || {
            let mut client = redis::Client::connect(port)?;
            client.ping().map(|()| client)
        })?;
        client.fill(sizes)?;
        let mut client = servers.answer("nginx", || nginx::Client::connect(web))?;
        client.warm(sizes)?;
        Ok(servers)
    }

    /// Both cgroups, with the names of their servers.
    #[must_use]
    pub fn cgroups(&self) -> [(&'static str, &Cgroup); 2] {
        [("redis", &self.redis), ("nginx", &self.nginx)]
    }

    /// Whether both are still running.
    pub fn check(&mut self) -> Result<()> {
        for (child, name) in self.children.iter_mut().zip(["redis", "nginx"]) {
            if let Some(status) = child.try_wait()? {
                bail!("{name} ended with {status}");
            }
        }
        Ok(())
    }

    /// Kills both and removes their cgroups.
    pub fn stop(mut self) -> Result<()> {
        self.check()?;
        self.redis.remove()?;
        self.nginx.remove()?;
        self.children
            .iter_mut()
            .try_for_each(|child| child.wait().map(drop))
            .context("cannot wait for a server")
    }

    fn answer<T>(&mut self, name: &str, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
        for _ in 0..200 {
            if let Ok(answer) = ask() {
                return Ok(answer);
            }
            self.check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{name} does not answer")
    }
}

fn start(cgroup: &Cgroup, image: &Image, program: &str, arguments: &[String]) -> Result<Child> {
    let mut command = cgroup.command_in(image.root(), &format!("/bin/{program}"));
    command.args(arguments).stdin(Stdio::null()).stdout(File::create("/dev/null")?);
    command.spawn().with_context(|| format!("cannot start {program}"))
}
