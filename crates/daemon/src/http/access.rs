//! Who may read the metrics over TCP.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
};

use lowtide_policy::Access;
use nix::unistd::User;
use tokio::sync::Semaphore;

/// Why it cannot be told who may read them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// The host has no such user.
    #[error("`metrics.users`: there is no user `{0}`")]
    NoUser(String),
    /// The users cannot be read.
    #[error("`metrics.users`: {0}")]
    Users(io::Error),
    /// The file of the token.
    #[error("`metrics.token_file`: {path}: {source}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said, or what is wrong with it.
        source: io::Error,
    },
}

/// Both ends of a connection, as its own side has them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) own: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// Lets some in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    users: Arc<[u32]>,
    token: Option<Arc<[u8]>>,
    /// The kernel's list of connections is read by one at a time: on a busy host it has megabytes, and
    /// anybody may ask.
    list: Arc<Semaphore>,
}

impl Gate {
    /// Finds the users and reads the token.
    pub(super) fn new(access: &Access) -> Result<Self, AccessError> {
        let users = access.users.iter().map(|name| user(name)).collect::<Result<_, _>>()?;
        let token = access
            .token_file
            .as_ref()
            .map(|path| token(path).map_err(|source| AccessError::Token { path: path.clone(), source }));
        Ok(Self { users, token: token.transpose()?.map(Into::into), list: Arc::new(Semaphore::new(1)) })
    }

    /// Whether who sent this `Authorization`, over a connection with these ends, may read the metrics.
    pub(super) async fn admits(&self, authorization: Option<&[u8]>, ends: Ends) -> bool {
        if self.users.is_empty() && self.token.is_none() {
            return true;
        }
        let given = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
        if let (Some(token), Some(given)) = (&self.token, given)
            && is_same(token, given)
        {
            return true;
        }
        if self.users.is_empty() {
            return false;
        }
        // Nobody closes the semaphore.
        let Ok(turn) = Arc::clone(&self.list).acquire_owned().await else { return false };
        // The turn is over when the list was read, also where who asked has gone meanwhile.
        let find = move || {
            let found = user_of(ends);
            drop(turn);
            found
        };
        let found = tokio::task::spawn_blocking(find).await;
        let found = found.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        match found {
            Ok(Some(uid)) => self.users.contains(&uid),
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "metrics: it cannot be told whose a connection is: nobody is let in by `metrics.users`");
                false
            }
        }
    }
}

fn user(name: &str) -> Result<u32, AccessError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = User::from_name(name).map_err(|errno| AccessError::Users(errno.into()))?;
    found.map(|user| user.uid.as_raw()).ok_or_else(|| AccessError::NoUser(name.to_owned()))
}

/// Longer is no token.
const LONGEST_TOKEN: usize = 4096;

fn token(path: &PathBuf) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| Err(io::Error::other(what.to_owned()));
    let others = fs::metadata(path)?.permissions().mode() & 0o007;
    if others != 0 {
        return wrong("others than its owner and group may use it: chmod o= it");
    }
    let text = fs::read(path)?;
    let token = text.trim_ascii();
    match token.len() {
        0 => wrong("it has no token"),
        1..=LONGEST_TOKEN if token.iter().all(u8::is_ascii_graphic) => Ok(token.to_owned()),
        _ => wrong("it is no token: 1 to 4096 characters of ASCII without blanks"),
    }
}

/// Takes as long whatever is different.
fn is_same(token: &[u8], given: &[u8]) -> bool {
    let different = token.iter().zip(given).fold(0, |different, (a, b)| different | (a ^ b));
    token.len() == given.len() && different == 0
}

/// Whose the other end of a connection is, if it is on this host. The daemon's own connections are of the
/// system it runs on, whatever directory it reads the kernel's files below.
fn user_of(ends: Ends) -> io::Result<Option<u32>> {
    for list in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let file = match fs::File::open(list) {
            // IPv6 may be off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if let Some(uid) = user_in(BufReader::new(file), ends.own, ends.peer)? {
            return Ok(Some(uid));
        }
    }
    Ok(None)
}

/// Whose the other end of a connection from `peer` to `own` is, by the kernel's list of connections
/// (/proc/net/tcp, /proc/net/tcp6).
pub fn user_in(list: impl BufRead, own: SocketAddr, peer: SocketAddr) -> io::Result<Option<u32>> {
    for line in list.lines().skip(1) {
        if let Some(uid) = owner(&line?, Ends { own, peer }) {
            return Ok(Some(uid));
        }
    }
    Ok(None)
}

/// The user of a line of /proc/net/tcp (`get_tcp4_sock`, net/ipv4/tcp_ipv4.c), if it is the other end. Only
/// while the connection is established and has an inode: once its process has closed it, the user is shown as
/// 0.
fn owner(line: &str, ends: Ends) -> Option<u32> {
    const ESTABLISHED: &str = "01";
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    if state != ESTABLISHED
        || address(local)? != canonical(ends.peer)
        || address(remote)? != canonical(ends.own)
    {
        return None;
    }
    let mut words = words.skip(3);
    let (uid, _timeout, inode) = (words.next()?, words.next()?, words.next()?);
    uid.parse().ok().filter(|_| inode != "0")
}

/// `0100007F:24F8`: words of 32 bits in the order of this machine, the port in hexadecimal.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut bytes = [0; 16];
            for (place, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(place * 8)?);
            }
            IpAddr::from(bytes)
        }
        _ => return None,
    };
    Some((ip.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(own: &str, peer: &str) -> Ends {
        Ends { own: own.parse().unwrap(), peer: peer.parse().unwrap() }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_peers_line_is_the_one_with_both_ends() {
        let four = "   1: 0100007F:C350 0100007F:24F8 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20";
        let six = "  2: 00000000000000000000000001000000:C350 00000000000000000000000001000000:24F8 01 00000000:00000000 00:00000000 00000000  1001        0 4711 1 0 20";
        let mapped = "  3: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:24F8 01 0:0 0:0 0  1002  0 4711 1";
        let at = ends("127.0.0.1:9464", "127.0.0.1:50000");
        assert_eq!(owner(four, at), Some(1000));
        assert_eq!(owner(mapped, at), Some(1002));
        assert_eq!(owner(six, ends("[::1]:9464", "[::1]:50000")), Some(1001));
        // The daemon's own end, another port, and a connection that nobody holds any more.
        assert_eq!(owner(four, ends("127.0.0.1:50000", "127.0.0.1:9464")), None);
        assert_eq!(owner(four, ends("127.0.0.1:9464", "127.0.0.1:50001")), None);
        assert_eq!(owner(&four.replace(" 01 ", " 06 ").replace("1000", "0"), at), None);
        assert_eq!(owner(&four.replace("4711", "0"), at), None);
        for odd in ["", "sl local_address", "1: x:y z 01 a b c d e f", "1: 0100007F 0100007F:24F8 01"] {
            assert_eq!(owner(odd, at), None, "{odd}");
        }
    }

    #[test]
    fn a_token_is_one_word_that_not_everybody_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for (text, mode, expected) in [
            ("secret\n", 0o640, Ok(b"secret".to_vec())),
            ("secret\n", 0o644, Err("others than its owner")),
            ("\n", 0o600, Err("it has no token")),
            ("two words", 0o600, Err("it is no token")),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (token(&path), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{text:?} {mode:o}: {found:?}"),
            }
        }
        let missing = Access { users: Vec::new(), token_file: Some(directory.path().join("none")) };
        let error = Gate::new(&missing).unwrap_err().to_string();
        assert!(error.starts_with("`metrics.token_file`: /"), "{error}");
        let nobody = Access { users: vec!["no-such-user".to_owned()], token_file: None };
        assert_eq!(
            Gate::new(&nobody).unwrap_err().to_string(),
            "`metrics.users`: there is no user `no-such-user`"
        );
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(is_same(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secrets", b"sEcret", b""] {
            assert!(!is_same(b"secret", other));
        }
    }
}
