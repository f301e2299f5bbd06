//! Where passwords come from: a file, a systemd credential, or a prompt. Never a prompt without a terminal.

use btn_node::keys::Password;
use console::Term;
use eyre::{WrapErr as _, eyre};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// Name of the systemd credential (`LoadCredential=btn-password:FILE`).
const CREDENTIAL_NAME: &str = "btn-password";

/// Least characters of a password that a person chooses at a prompt.
const MIN_PASSWORD_CHARACTERS: usize = 8;

/// The password of existing keys.
///
/// # Errors
/// The file is not readable, or there is neither a file nor a terminal.
pub fn existing_password(file: Option<&Path>) -> eyre::Result<Password> {
    match file.map(Path::to_owned).or_else(credential) {
        Some(path) => Ok(Password::read(&path)?),
        None => ask("Password of the keys: "),
    }
}

/// The password of keys that are about to be made; asked for twice at a prompt. `option` is what to give on the
/// command line instead.
///
/// # Errors
/// As [`existing_password`]; or the two differ.
pub fn new_password(file: Option<&Path>) -> eyre::Result<Password> {
    if let Some(path) = file {
        return Ok(Password::read(path)?);
    }
    let password = ask("New password of the keys: ")?;
    if password.expose().chars().count() < MIN_PASSWORD_CHARACTERS {
        return Err(eyre!("the password needs at least {MIN_PASSWORD_CHARACTERS} characters"));
    }
    if ask("The same again: ")? != password {
        return Err(eyre!("the two passwords differ; nothing was written"));
    }
    Ok(password)
}

fn credential() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL_NAME);
    path.is_file().then_some(path)
}

fn ask(prompt: &str) -> eyre::Result<Password> {
    let terminal = Term::stderr();
    if !terminal.is_term() || !std::io::stdin().is_terminal() {
        return Err(eyre!("no password: there is no terminal to ask on; name a password file"));
    }
    let read = || {
        terminal.write_str(prompt)?;
        terminal.read_secure_line()
    };
    Ok(Password::new(read().wrap_err("the password could not be read")?))
}
