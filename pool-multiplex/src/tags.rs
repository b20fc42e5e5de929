//! What a session says of itself, so that like meets like.
//!
//! A session of which nothing else is known can say what it belongs to: the application, the schema it
//! works on, anything. Sessions that say the same tend to run the same statements with the same
//! settings, so the same connections suit them. Tags differ in weight: that two sessions work on the
//! same schema says more than that they belong to the same application.
//!
//! Tags are hints. They choose between connections, and change nothing on any.

use std::fmt;
use std::sync::Arc;

/// What a tag is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TagName {
    /// The application.
    Application,
    /// The schema.
    Schema,
    /// Anything else.
    Custom(Arc<str>),
}

impl TagName {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Application => "application",
            Self::Schema => "schema",
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// One thing that a session says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag {
    /// What it is about.
    pub name: TagName,
    /// What it says.
    pub value: Arc<str>,
    /// How much it weighs, from 0 to 255.
    pub priority: u8,
}

impl Tag {
    /// The application that the session belongs to. Of priority 1, unless another is given.
    #[must_use]
    pub fn application(value: impl Into<Arc<str>>) -> Self {
        Self::new(TagName::Application, value.into(), 1)
    }

    /// The schema that it works on. Of priority 2, unless another is given.
    #[must_use]
    pub fn schema(value: impl Into<Arc<str>>) -> Self {
        Self::new(TagName::Schema, value.into(), 2)
    }

    /// Anything else. Of priority 0, unless another is given.
    #[must_use]
    pub fn custom(name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        Self::new(TagName::Custom(name.into()), value.into(), 0)
    }

    const fn new(name: TagName, value: Arc<str>, priority: u8) -> Self {
        Self {
            name,
            value,
            priority,
        }
    }

    /// Gives it another weight.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }
}

/// Why a tag was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// There are as many as there may be.
    #[error("a session has at most {} tags", Tags::MOST)]
    TooMany,
    /// Its name or its value is too long.
    #[error(
        "the name or value of a tag has {bytes} bytes; {} are allowed",
        Tags::LONGEST
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

/// The tags of a session, one for each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<Tag>);

impl Tags {
    /// The most that a session has.
    pub const MOST: usize = 16;
    /// The most bytes that a name, or a value, has.
    pub const LONGEST: usize = 256;

    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts one in, and returns the one that had its name.
    ///
    /// # Errors
    ///
    /// There are too many, or it is too long. Nothing has changed then.
    pub fn insert(&mut self, tag: Tag) -> Result<Option<Tag>, TagError> {
        let bytes = tag.name.text().len().max(tag.value.len());
        if bytes > Self::LONGEST {
            return Err(TagError::TooLong { bytes });
        }
        let before = self.remove(&tag.name);
        if self.0.len() >= Self::MOST {
            return Err(TagError::TooMany);
        }
        let order = |tag: &Tag| (std::cmp::Reverse(tag.priority), tag.name.clone());
        let place = order(&tag);
        let at = self.0.partition_point(|other| order(other) < place);
        self.0.insert(at, tag);
        Ok(before)
    }

    /// Takes the one of this name out.
    pub fn remove(&mut self, name: &TagName) -> Option<Tag> {
        let at = self.0.iter().position(|tag| tag.name == *name)?;
        Some(self.0.remove(at))
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &TagName) -> Option<&Tag> {
        self.0.iter().find(|tag| tag.name == *name)
    }

    /// All of them, the weightiest first, and in the order of their names where they weigh the same.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number for what they say, whatever they weigh: 0 for none, and for others the same in every
    /// process and version. Different ones share one by chance, once in 2⁶⁴.
    #[must_use]
    pub fn key(&self) -> u64 {
        let hashes = self.0.iter().map(hash);
        match hashes.fold(0, u64::wrapping_add) {
            0 if !self.is_empty() => 1,
            key => key,
        }
    }

    /// How much of what these say the others say too: for each such tag one more than its priority
    /// here.
    #[must_use]
    pub fn matches(&self, other: &Self) -> u32 {
        let same = |tag: &&Tag| {
            other
                .get(&tag.name)
                .is_some_and(|its| its.value == tag.value)
        };
        let weight = |tag: &Tag| u32::from(tag.priority) + 1;
        self.0.iter().filter(same).map(weight).sum()
    }
}

/// FNV-1a with a last mixing, which is defined once and for all. What separates the parts is in no text.
fn hash(tag: &Tag) -> u64 {
    let kind = match tag.name {
        TagName::Application => 0,
        TagName::Schema => 1,
        TagName::Custom(_) => 2,
    };
    let name = tag.name.text().bytes();
    let bytes = [kind].into_iter().chain(name).chain([0xff]);
    let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes
        .chain(tag.value.bytes())
        .fold(0xcbf2_9ce4_8422_2325, fold);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 27)
}

#[cfg(test)]
mod tests;
