//! Where one message ends and the next begins.

/// What a [`Framer`] found. Bodies are passed on in the pieces in which they came; nothing is
/// copied or kept.
pub(super) trait Visit {
    /// A header is complete. The kind is [`STARTUP`] for the one message without a type byte.
    fn begin(&mut self, kind: u8);
    /// The next piece of the body; never empty.
    fn body(&mut self, bytes: &[u8]);
    /// The body is complete, which it is at once when it is empty.
    fn end(&mut self);
}

/// The kind given to the first message of a client, which has no type byte.
pub(super) const STARTUP: u8 = 0;

/// Bytes of a length field, which counts itself.
const LENGTH: usize = 4;

/// Cuts one direction of the stream into messages, however it is chopped up.
#[derive(Debug)]
pub(super) struct Framer {
    header: [u8; LENGTH + 1],
    filled: usize,
    needed: usize,
    body_left: usize,
    malformed: bool,
}

impl Framer {
    /// For the client's side, whose first message has no type byte.
    pub(super) const fn client() -> Self {
        Self::new(LENGTH)
    }

    /// For the server's side.
    pub(super) const fn server() -> Self {
        Self::new(LENGTH + 1)
    }

    const fn new(needed: usize) -> Self {
        Self {
            header: [0; LENGTH + 1],
            filled: 0,
            needed,
            body_left: 0,
            malformed: false,
        }
    }

    /// Whether the stream stands between two messages.
    pub(super) const fn at_boundary(&self) -> bool {
        self.filled == 0 && self.body_left == 0
    }

    /// Whether a length was seen that no message can have; nothing is read after it.
    pub(super) const fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Reads on.
    pub(super) fn feed(&mut self, mut bytes: &[u8], visit: &mut impl Visit) {
        while !bytes.is_empty() && !self.malformed {
            bytes = if self.body_left > 0 {
                self.feed_body(bytes, visit)
            } else {
                self.feed_header(bytes, visit)
            };
        }
    }

    fn feed_body<'a>(&mut self, bytes: &'a [u8], visit: &mut impl Visit) -> &'a [u8] {
        let (body, rest) = bytes.split_at(self.body_left.min(bytes.len()));
        visit.body(body);
        self.body_left -= body.len();
        if self.body_left == 0 {
            visit.end();
        }
        rest
    }

    fn feed_header<'a>(&mut self, bytes: &'a [u8], visit: &mut impl Visit) -> &'a [u8] {
        let (head, rest) = bytes.split_at((self.needed - self.filled).min(bytes.len()));
        self.header[self.filled..self.filled + head.len()].copy_from_slice(head);
        self.filled += head.len();
        if self.filled == self.needed {
            self.begin(visit);
        }
        rest
    }

    fn begin(&mut self, visit: &mut impl Visit) {
        let [first, second, third, fourth, fifth] = self.header;
        let (kind, length) = if self.needed == LENGTH {
            (STARTUP, [first, second, third, fourth])
        } else {
            (first, [second, third, fourth, fifth])
        };
        self.filled = 0;
        self.needed = LENGTH + 1;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let Some(body) = length.checked_sub(LENGTH) else {
            self.malformed = true;
            return;
        };
        visit.begin(kind);
        self.body_left = body;
        if body == 0 {
            visit.end();
        }
    }
}
