"""What an operator can get wrong is told by file, line and key, with what to do, and without a trace back."""

from __future__ import annotations

import asyncio
import re
import tempfile
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from cloud_receiver import app
from cloud_receiver.database.migrate import NewerSchema
from cloud_receiver.database.pool import DatabaseAway
from cloud_receiver.settings import read_configuration
from tests.receiver.hq import Headquarters
from tests.receiver.mosquitto import Mosquitto, free_port
from tests.receiver.test_life import configure
from tests.rig.pki import make

pytestmark = pytest.mark.timeout(60)

TLS = """
listener {tls} 127.0.0.1
allow_anonymous true
cafile {folder}/ca.crt
certfile {folder}/broker.crt
keyfile {folder}/broker.key
require_certificate true
"""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("footfall@/postgres", "footfall@/nowhere"),
            r"InvalidCatalogNameError: .*nowhere.* — make this database \(createdb",
        ),
        (("footfall@", "stranger@"), r"InvalidAuthorizationSpecificationError: .*stranger.* — mend user or password"),
        (
            (r"host=.*", "host=127.0.0.1&port=PORT"),
            r"ConnectionRefusedError: .* — start PostgreSQL there, or mend the URL's",
        ),
        ((r"\?host=.*", "?host=nobody.invalid"), r"gaierror: .* — mend the URL's host"),
        (
            (r"postgresql://.*", "postgresql://x?sslmode=perhaps"),
            r"ClientConfigurationError: .*sslmode.* — mend the URL",
        ),
    ],
)
async def test_a_database_that_cannot_be_used(hq, tmp_path, change, says):
    """Down, unknown, or not for us."""
    wrong = re.sub(change[0], change[1].replace("PORT", str(free_port())), hq.url)
    configuration = read_configuration(configure(tmp_path, hq.port, wrong).configuration)

    with pytest.raises(DatabaseAway, match=rf"receiver\.toml:5: database\.url: {says}"):
        async with app.database(configuration):
            pass


def test_a_command_says_it_and_ends(hq, tmp_path):
    """One sentence, no trace back, and a status that is not the configuration's."""
    wrong = configure(tmp_path, hq.port, hq.url.replace("footfall@", "stranger@"))
    ended = wrong.command("device", "list")

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "receiver.toml:5: database.url: " in ended.stderr


async def test_a_database_of_a_newer_version_is_left_as_it_is(hq, tmp_path):
    """By the receiver, which systemd then does not try again, and by every command."""
    await hq.ask("CREATE DATABASE newer")
    url = hq.url.replace("/postgres?", "/newer?")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('0999')"
    )
    await connection.close()
    newer = configure(tmp_path, hq.port, url)
    ended = await asyncio.to_thread(newer.command, "run")
    assert ended.returncode == 78
    assert ended.stderr.startswith(
        "the database is of a newer Footfall: its tables are at step 0999, this receiver knows"
    )
    with pytest.raises(NewerSchema):
        async with app.database(read_configuration(newer.configuration)):
            pass
    connection = await asyncpg.connect(url)
    assert (
        await connection.fetchval("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == 1
    )
    await connection.close()


@pytest.fixture
def guarded(folder):
    """A broker that wants a certificate, where its own user may read; the authority it trusts, and its port."""
    beside = Path(tempfile.mkdtemp(dir=folder))
    beside.chmod(0o755)
    root = make("footfall")
    root.write(beside, "ca")
    make("127.0.0.1", root).write(beside, "broker")
    (beside / "broker.key").chmod(0o644)
    tls = free_port()
    broker = Mosquitto(beside, TLS.format(tls=tls, folder=beside))
    broker.start()
    yield root, tls, beside / "ca.crt"
    broker.kill()


@pytest.mark.parametrize(
    ("ours", "ca", "says"),
    [
        ({"ends": timedelta(hours=-1)}, "ca.crt", "refused: 127.0.0.1 says that our own certificate has expired"),
        ({}, "stranger.crt", "the certificate of 127.0.0.1 is not from our certificate authority: check ca_file"),
    ],
)
async def test_a_line_to_the_broker_that_is_not_trusted(hq, tmp_path, guarded, ours, ca, says):
    """An expired certificate of ours, an authority that is not the broker's: told by the command that needed it."""
    root, tls, trusted = guarded
    (tmp_path / "ca.crt").write_bytes(trusted.read_bytes())
    make("receiver", root, **ours).write(tmp_path, "receiver")
    make("stranger").write(tmp_path, "stranger")
    files = f'ca_file = "{ca}"\ncert_file = "receiver.crt"\nkey_file = "receiver.key"\n'
    mine = Headquarters(tmp_path, tls, more=files)
    mine.configuration.write_text(mine.configuration.read_text().replace('data_dir = "hq"', f'url = "{hq.url}"'))
    [(known,)] = await hq.ask("SELECT count(*) FROM devices WHERE device = 'tls-pi'")
    if not known:
        await hq.register("tls-pi")
    await hq.ask(
        "INSERT INTO device_state (device, boot, st, since, run, epoch) VALUES ('tls-pi', 1, 'online', 1, 'r', 'e1')"
        " ON CONFLICT DO NOTHING"
    )
    ended = await asyncio.to_thread(mine.command, "device", "resend", "tls-pi")

    assert ended.returncode == 1
    assert f"receiver.toml:6: mqtt.host: 127.0.0.1, port {tls}: {says}" in ended.stderr
    assert "Traceback" not in ended.stderr
