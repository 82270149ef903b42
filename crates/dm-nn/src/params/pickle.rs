//! A reader of Python's pickle format that builds data and executes nothing.
//!
//! A pickle is a program for a small stack machine. This reader knows the instructions that `torch.save` writes. A call in
//! the pickle becomes an [`Object::Call`], which only names the function.
//!
//! Memory is bounded by the length of the pickle: an instruction adds at most one object of 40 bytes, with a place on the
//! stack, in the memo and in a container, together less than 256 bytes. Strings are not copied out of the pickle, and
//! containers hold the numbers of their items instead of copies. Objects may contain each other in cycles, so code that
//! follows them must limit the depth.

#[cfg(test)]
mod tests;

/// The number of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// An object in a pickle. Strings are slices of the pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object<'a> {
    /// An integer.
    Int(i64),
    /// A string.
    Text(&'a str),
    /// A class or function: the name of its module, and its own name.
    Global(&'a str, &'a str),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A dictionary, in the order of the file.
    Dict(Vec<(Id, Id)>),
    /// A call of a function or class with a tuple of arguments, which is not executed.
    Call(Id, Id),
    /// A reference to something outside the pickle.
    Persistent(Id),
    /// None, a truth value, a float or bytes.
    Other,
}

/// A parsed pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Parses `bytes`.
    ///
    /// # Errors
    /// If an instruction cannot be carried out; the error describes the instruction and its position.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(format!("{} bytes", bytes.len()));
        }
        let mut machine = Machine { rest: bytes, objects: Vec::new(), stack: Vec::new(), memo: Vec::new() };
        loop {
            let at = bytes.len() - machine.rest.len();
            match machine.step() {
                Some(Step::Next) => {}
                Some(Step::Stop(root)) => return Ok(Self { objects: machine.objects, root }),
                None => return Err(describe(bytes, at)),
            }
        }
    }

    /// The object that the pickle describes.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The object with the number `id`.
    pub fn get(&self, id: Id) -> &Object<'a> {
        self.objects.get(id.0 as usize).unwrap_or(&Object::Other)
    }
}

/// Describes the instruction at `at`, which could not be carried out.
fn describe(bytes: &[u8], at: usize) -> String {
    match bytes.get(at) {
        None => format!("the end of the pickle after {at} bytes"),
        Some(code) => {
            format!("instruction 0x{code:02x} at byte {at}, which is unknown, incomplete or out of place")
        }
    }
}

enum Step {
    Next,
    Stop(Id),
}

/// An entry of the stack.
#[derive(Clone, Copy)]
enum Entry {
    Mark,
    Object(Id),
}

struct Machine<'a> {
    rest: &'a [u8],
    objects: Vec<Object<'a>>,
    stack: Vec<Entry>,
    /// The memo: objects that the pickle refers to by a number.
    memo: Vec<Option<Id>>,
}

impl<'a> Machine<'a> {
    /// Carries out one instruction. `None` if it cannot be carried out.
    fn step(&mut self) -> Option<Step> {
        let [code] = self.array()?;
        match code {
            // PROTO and FRAME do not affect the content.
            0x80 => self.bytes(1).map(drop)?,
            0x95 => self.bytes(8).map(drop)?,
            b'.' => return self.pop().map(Step::Stop),
            b'(' => self.stack.push(Entry::Mark),
            b'0' => self.stack.pop().map(drop)?,
            b'1' => self.pop_to_mark().map(drop)?,
            b'N' | 0x88 | 0x89 => self.push(Object::Other),
            b'G' => {
                self.bytes(8)?;
                self.push(Object::Other);
            }
            // Bytes, which no description of a tensor needs.
            b'C' => {
                let [length] = self.array()?;
                self.bytes(length.into())?;
                self.push(Object::Other);
            }
            b'K' => {
                let [value] = self.array()?;
                self.push(Object::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Object::Int(value.into()));
            }
            0x8a => self.long()?,
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c => {
                let [length] = self.array()?;
                self.text(length.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global(module, name));
            }
            0x93 => self.stack_global()?,
            b'q' => {
                let [slot] = self.array()?;
                self.remember(slot.into())?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot as usize)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let [slot] = self.array()?;
                self.recall(slot.into())?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot as usize)?;
            }
            _ => self.container(code)?,
        }
        Some(Step::Next)
    }

    /// The instructions that make or fill containers, and those that refer to other objects.
    fn container(&mut self, code: u8) -> Option<()> {
        match code {
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items));
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Object::List(items));
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Dict(pairs(&items)?));
            }
            0x85..=0x87 => {
                let first = self.stack.len().checked_sub(usize::from(code - 0x84))?;
                let items = objects(&self.stack.split_off(first))?;
                self.push(Object::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(&[(key, value)])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.insert(&pairs(&items)?)?;
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments);
            }
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id));
            }
            _ => return None,
        }
        Some(())
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn line(&mut self) -> Option<&'a str> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let line = std::str::from_utf8(self.bytes(end)?).ok()?;
        self.bytes(1)?;
        Some(line)
    }

    fn text(&mut self, length: usize) -> Option<()> {
        let text = std::str::from_utf8(self.bytes(length)?).ok()?;
        self.push(Object::Text(text));
        Some(())
    }

    /// An integer of up to 255 bytes. An integer that does not fit into 64 bits becomes [`Object::Other`].
    fn long(&mut self) -> Option<()> {
        let [length] = self.array()?;
        let bytes = self.bytes(length.into())?;
        let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [sign; 8];
        let fits = bytes.len() <= wide.len();
        wide.iter_mut().zip(bytes).for_each(|(wide, &byte)| *wide = byte);
        self.push(if fits { Object::Int(i64::from_le_bytes(wide)) } else { Object::Other });
        Some(())
    }

    fn stack_global(&mut self) -> Option<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (&Object::Text(module), &Object::Text(name)) = (self.object(module)?, self.object(name)?) else {
            return None;
        };
        self.push(Object::Global(module, name));
        Some(())
    }

    fn object(&self, id: Id) -> Option<&Object<'a>> {
        self.objects.get(id.0 as usize)
    }

    fn push(&mut self, object: Object<'a>) {
        // There are at most as many objects as bytes, and their number fits 32 bits.
        self.stack.push(Entry::Object(Id(self.objects.len() as u32)));
        self.objects.push(object);
    }

    fn pop(&mut self) -> Option<Id> {
        match self.stack.pop()? {
            Entry::Object(id) => Some(id),
            Entry::Mark => None,
        }
    }

    fn pop_to_mark(&mut self) -> Option<Vec<Id>> {
        let mark = self.stack.iter().rposition(|entry| matches!(entry, Entry::Mark))?;
        let items = objects(self.stack.get(mark + 1..)?)?;
        self.stack.truncate(mark);
        Some(items)
    }

    /// The number of the object on top of the stack.
    fn top(&self) -> Option<Id> {
        match self.stack.last()? {
            Entry::Object(id) => Some(*id),
            Entry::Mark => None,
        }
    }

    /// Stores the object on top of the stack in `slot` of the memo. Pickles number their slots from 0 without gaps, so that
    /// the memo is never longer than the pickle.
    fn remember(&mut self, slot: usize) -> Option<()> {
        let top = self.top()?;
        if slot > self.objects.len() {
            return None;
        }
        if self.memo.len() <= slot {
            self.memo.resize(slot + 1, None);
        }
        *self.memo.get_mut(slot)? = Some(top);
        Some(())
    }

    fn recall(&mut self, slot: usize) -> Option<()> {
        let id = (*self.memo.get(slot)?)?;
        self.stack.push(Entry::Object(id));
        Some(())
    }

    fn append(&mut self, items: &[Id]) -> Option<()> {
        let list = self.top()?;
        match self.objects.get_mut(list.0 as usize)? {
            Object::List(list) => list.extend(items),
            _ => return None,
        }
        Some(())
    }

    fn insert(&mut self, entries: &[(Id, Id)]) -> Option<()> {
        let dict = self.top()?;
        match self.objects.get_mut(dict.0 as usize)? {
            Object::Dict(dict) => dict.extend(entries),
            // The entries of an object of another class are not needed.
            Object::Call(..) => {}
            _ => return None,
        }
        Some(())
    }

    /// Pushes a call. A call of a dictionary class becomes an empty dictionary.
    fn call(&mut self, function: Id, arguments: Id) {
        let is_dict = matches!(
            self.object(function),
            Some(Object::Global("collections", "OrderedDict" | "defaultdict"))
        );
        self.push(if is_dict { Object::Dict(Vec::new()) } else { Object::Call(function, arguments) });
    }

    /// The instruction BUILD, which sets the attributes of the object below the top to the state on top of the stack. The
    /// state is dropped: no attribute is needed, such as the `_metadata` of a state_dict.
    fn build(&mut self) -> Option<()> {
        self.pop()?;
        self.top().map(drop)
    }
}

/// The objects of a part of the stack; `None` if the part contains a mark.
fn objects(entries: &[Entry]) -> Option<Vec<Id>> {
    let object = |entry: &Entry| match entry {
        Entry::Object(id) => Some(*id),
        Entry::Mark => None,
    };
    entries.iter().map(object).collect()
}

/// Keys and values that follow each other.
fn pairs(items: &[Id]) -> Option<Vec<(Id, Id)>> {
    let pair = |pair: &[Id]| match pair {
        [key, value] => Some((*key, *value)),
        _ => None,
    };
    items.chunks(2).map(pair).collect()
}
