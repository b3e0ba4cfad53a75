//! A network between a client and its server that can be cut, go silent, and count.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::Server;

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// What was waited for never reaches the server.
    Before,
    /// The server has it and has done it; its answer is lost.
    After,
}

/// How long the server's answer is listened to before the connection is cut: it has done all that it was told by then.
const ANSWERED: Duration = Duration::from_millis(200);

/// A port of this machine that leads to a [`Server`]. It ends with the test process.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

type Mark = Box<dyn Fn(&[u8]) -> bool + Send>;

struct Shared {
    server: PathBuf,
    silent: AtomicBool,
    refusing: AtomicBool,
    cut: Mutex<Option<(Mark, Cut)>>,
    /// Milliseconds by which answers are late.
    late: AtomicU64,
    turns: AtomicU64,
    connections: AtomicU64,
    open: Mutex<Vec<Arc<Line>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("server", &self.server).finish_non_exhaustive()
    }
}

/// One connection and what becomes of it.
#[derive(Debug)]
struct Line {
    client: TcpStream,
    server: UnixStream,
    silent: AtomicBool,
    cutting: AtomicBool,
    /// Whether the last bytes came from the server.
    answered: AtomicBool,
}

impl Line {
    /// Closes both ends, unless nobody is to hear of anything.
    fn end(&self) {
        if !self.silent.load(Ordering::SeqCst) {
            self.close();
        }
    }

    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// A port that leads to `server`.
    pub fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            server: server.socket.clone(),
            silent: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            cut: Mutex::new(None),
            late: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.accept(client);
            }
        });
        Self { address, shared }
    }

    /// What [`Server::database`] gave, by way of this port.
    pub fn url(&self, url: &str) -> String {
        let (begin, rest) = url.split_once("@localhost/").expect("a URL of ours");
        let database = rest.split('?').next().unwrap_or_default();
        format!("{begin}@{}/{database}", self.address)
    }

    /// Cuts the connection on which the client sends something that `mark` knows, once.
    pub fn cut(&self, when: Cut, mark: impl Fn(&[u8]) -> bool + Send + 'static) {
        *self.shared.cut.lock().unwrap() = Some((Box::new(mark), when));
    }

    /// The same, and from then on nobody can connect until [`Proxy::forward`].
    pub fn cut_and_refuse(&self, when: Cut, mark: impl Fn(&[u8]) -> bool + Send + 'static) {
        let shared = self.shared.clone();
        self.cut(when, move |bytes| {
            let met = mark(bytes);
            shared.refusing.fetch_or(met, Ordering::SeqCst);
            met
        });
    }

    /// Whether the last [`Proxy::cut`] still waits for its mark.
    pub fn waits(&self) -> bool {
        self.shared.cut.lock().unwrap().is_some()
    }

    /// Drops what is sent from now on, without a word, as a firewall does that has forgotten a connection. Where `all`, also what new
    /// connections send.
    pub fn swallow(&self, all: bool) {
        self.shared.silent.store(all, Ordering::SeqCst);
        for line in &*self.shared.open.lock().unwrap() {
            line.silent.store(true, Ordering::SeqCst);
        }
    }

    /// Lets new connections through again. Those that went silent stay so.
    pub fn forward(&self) {
        self.shared.silent.store(false, Ordering::SeqCst);
        self.shared.refusing.store(false, Ordering::SeqCst);
    }

    /// Closes all connections.
    pub fn close_all(&self) {
        for line in std::mem::take(&mut *self.shared.open.lock().unwrap()) {
            line.close();
        }
    }

    /// Makes answers late, as those of a distant server are: then what goes in one flight has left before the first answer comes.
    pub fn delay(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("a short time");
        self.shared.late.store(by, Ordering::SeqCst);
    }

    /// How often a client has waited for an answer so far: what goes in one flight counts once, surely so with a [`Proxy::delay`].
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::SeqCst)
    }

    /// How often somebody has connected so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        if self.refusing.load(Ordering::SeqCst) {
            return;
        }
        // Where there is no server, the client sees its connection closed.
        let Ok(server) = UnixStream::connect(&self.server) else { return };
        let _ = client.set_nodelay(true);
        let silent = AtomicBool::new(self.silent.load(Ordering::SeqCst));
        let (cutting, answered) = (AtomicBool::new(false), AtomicBool::new(true));
        let line = Arc::new(Line { client, server, silent, cutting, answered });
        self.open.lock().unwrap().push(line.clone());
        let (up, down, shared, late) = (line.clone(), line, self.clone(), self.clone());
        std::thread::spawn(move || {
            shared.to_server(&up);
            up.end();
        });
        std::thread::spawn(move || {
            late.to_client(&down);
            down.end();
        });
    }

    fn to_server(&self, line: &Line) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = (&line.client).read(&mut buffer) {
            if count == 0 {
                return;
            }
            if line.silent.load(Ordering::SeqCst) {
                continue;
            }
            if line.answered.swap(false, Ordering::SeqCst) {
                self.turns.fetch_add(1, Ordering::SeqCst);
            }
            let cut = {
                let mut cut = self.cut.lock().unwrap();
                let met = cut.as_ref().is_some_and(|(mark, _)| mark(&buffer[..count]));
                if met { cut.take().map(|(_, when)| when) } else { None }
            };
            match cut {
                Some(Cut::Before) => return,
                Some(Cut::After) => line.cutting.store(true, Ordering::SeqCst),
                None => {}
            }
            if (&line.server).write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    }

    fn to_client(&self, line: &Line) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = (&line.server).read(&mut buffer) {
            if count == 0 {
                return;
            }
            if line.silent.load(Ordering::SeqCst) {
                continue;
            }
            std::thread::sleep(Duration::from_millis(self.late.load(Ordering::SeqCst)));
            line.answered.store(true, Ordering::SeqCst);
            if line.cutting.load(Ordering::SeqCst) {
                std::thread::sleep(ANSWERED);
                return;
            }
            if (&line.client).write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    }
}
