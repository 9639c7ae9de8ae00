"""AsyncAPI 3 and JSON Schema of the wire, made from the models: for whoever reads or writes the topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints

from agent.contract import happenings, messages, wire
from agent.contract.topics import ROOT

if TYPE_CHECKING:
    from pydantic import BaseModel

VERSION = "1.0.0"  # of the wire; it grows by addition alone
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Crc = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class ObservationsBatch(wire.Envelope):
    """Rows of observations, column by column; on the wire gzipped above 1 kB."""

    model_config = ConfigDict(extra="ignore", title="ObservationsBatch")
    schema_: Annotated[Literal["observations/1"], Field(alias="schema")]
    cols: wire.Columns  # type: ignore[assignment]  # the envelope leaves them raw until the schema is known
    crc: Crc  # CRC-32 of all bytes before ,"crc"


class LedgerBatch(wire.Envelope):
    """Entries of the ledger: what was not measured, and what became of it; on the wire gzipped above 1 kB."""

    model_config = ConfigDict(extra="ignore", title="LedgerBatch")
    schema_: Annotated[Literal["ledger/1"], Field(alias="schema")]
    cols: wire.LedgerColumns  # type: ignore[assignment]  # as above
    crc: Crc


class AlertsBatch(wire.Envelope):
    """Steps in the lives of alerts; on the wire gzipped above 1 kB."""

    model_config = ConfigDict(extra="ignore", title="AlertsBatch")
    schema_: Annotated[Literal["alerts/1"], Field(alias="schema")]
    cols: happenings.AlertColumns  # type: ignore[assignment]  # as above
    crc: Crc


class ManualBatch(wire.Envelope):
    """What people counted by hand; on the wire gzipped above 1 kB."""

    model_config = ConfigDict(extra="ignore", title="ManualBatch")
    schema_: Annotated[Literal["manual/1"], Field(alias="schema")]
    cols: happenings.ManualColumns  # type: ignore[assignment]  # as above
    crc: Crc


class Channel(NamedTuple):
    """One leaf of a device's branch. `to_hq`: the device publishes there."""

    leaf: str
    models: tuple[type[BaseModel], ...]
    summary: str
    to_hq: bool = True
    qos: int = 1
    retain: bool = False
    expiry: int | None = None  # seconds
    content: str = "application/json"


BATCHES = (ObservationsBatch, LedgerBatch, AlertsBatch, ManualBatch)
CHANNELS = (
    Channel("birth", (messages.Birth,), "Who the device is and what it has; answered on ack with hello.", retain=True),
    Channel("state", (messages.State,), "There or not. The will says offline with the same boot.", retain=True),
    Channel(
        "live/{zone}",
        (messages.Live,),
        "What is there now, `store` for the whole store; may be lost.",
        qos=0,
        retain=True,
        expiry=20,
    ),
    Channel("batch", BATCHES, "Rows younger than 15 minutes.", expiry=300, content=wire.CONTENT_TYPE),
    Channel("backlog", BATCHES, "Older rows, at HQ's pace.", expiry=300, content=wire.CONTENT_TYPE),
    Channel("alert", (messages.AlertStep,), "A copy of each step of an alert, at once.", expiry=3600),
    Channel("health", (messages.Health,), "Every minute: how the device stands.", expiry=300),
    Channel("reply", (messages.Reply,), "What became of a command.", expiry=3600),
    Channel("config/reported", (messages.Reported,), "What became of the wanted configuration.", retain=True),
    Channel("ack", (messages.Answer, messages.Hello), "What became of a batch; hello.", to_hq=False, expiry=300),
    Channel("config/desired", (messages.Desired,), "The configuration HQ wants.", to_hq=False, retain=True),
    *(
        Channel(f"cmd/{verb}", (model,), " ".join((model.__doc__ or "").split()), to_hq=False)
        for verb, model in messages.COMMANDS.items()
    ),
)
HQ_STATE = Channel(
    "state/{worker}", (messages.State,), "Whether a receiver is there; it has a will.", to_hq=False, retain=True
)
PARAMETERS = {
    "tenant": "The company, as HQ registered it.",
    "store": "The shop.",
    "device": "The computer in the shop.",
    "zone": "A business area of the layout, or `store`.",
    "worker": "One receiver at HQ.",
}
CLOUD_EVENT = ("specversion", "id", "source", "type", "time", "dataschema")


def documents() -> dict[str, dict[str, Any]]:
    """Every document by file name."""
    models = dict.fromkeys(model for channel in (*CHANNELS, HQ_STATE) for model in channel.models)
    return {"asyncapi.json": _asyncapi(), **{_file(model): _schema(model) for model in models}}


def _file(model: type[BaseModel]) -> str:
    return f"{model.__name__}.schema.json"


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"urn:footfall:v1:{model.__name__}", **model.model_json_schema(by_alias=True)}


def _asyncapi() -> dict[str, Any]:
    channels = {_name(channel): _channel(channel) for channel in CHANNELS}
    channels["hqState"] = _channel(HQ_STATE, f"{ROOT}/{{tenant}}/_hq/")
    operations = {_name(channel): _operation(_name(channel), channel) for channel in CHANNELS}
    operations["hqState"] = _operation("hqState", HQ_STATE)
    used = {model: channel for channel in (*CHANNELS, HQ_STATE) for model in channel.models}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Footfall: from the store to headquarters",
            "version": VERSION,
            "description": "Seen from the device: it sends what its operations send and receives the others. "
            "The broker's acknowledgement proves nothing; a row has arrived when `ack` says committed or duplicate "
            "with the id and hash of its batch. Everything correctness needs is in the payloads: MQTT 3.1.1 works.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": channels,
        "operations": operations,
        "components": {"messages": {model.__name__: _message(model, channel) for model, channel in used.items()}},
    }


def _server() -> dict[str, Any]:
    will = {"topic": f"{ROOT}/{{tenant}}/{{store}}/{{device}}/state", "qos": 1, "retain": True}
    offline = '{"st":"offline","boot":1873,"ts":"2026-11-20T07:15:02Z","run":"9c41"}'
    mqtt = {"cleanSession": True, "keepAlive": 20, "lastWill": will | {"message": offline}, "bindingVersion": "0.2.0"}
    return {
        "host": "mqtt.example.com:8883",
        "protocol": "secure-mqtt",
        "protocolVersion": "5",
        "description": "The tenant's broker. User name and common name of the certificate are the device's id.",
        "bindings": {"mqtt": mqtt},
    }


def _channel(channel: Channel, branch: str = f"{ROOT}/{{tenant}}/{{store}}/{{device}}/") -> dict[str, Any]:
    address = branch + channel.leaf
    return {
        "address": address,
        "description": channel.summary,
        "parameters": {name: {"description": text} for name, text in PARAMETERS.items() if f"{{{name}}}" in address},
        "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in channel.models},
    }


def _operation(name: str, channel: Channel) -> dict[str, Any]:
    mqtt: dict[str, Any] = {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}
    if channel.expiry is not None:
        mqtt["messageExpiryInterval"] = channel.expiry
    return {
        "action": "send" if channel.to_hq else "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": channel.summary,
        "bindings": {"mqtt": mqtt},
    }


def _message(model: type[BaseModel], channel: Channel) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": model.__name__,
        "contentType": channel.content,
        "payload": {"$ref": f"./{_file(model)}"},
    }
    if model in BATCHES:
        made["headers"] = {
            "type": "object",
            "description": "CloudEvents 1.0 attributes, as user properties of MQTT 5.",
            "properties": {name: {"type": "string"} for name in CLOUD_EVENT},
        }
    return made


def _name(channel: Channel) -> str:
    first, *rest = channel.leaf.replace("{", "").replace("}", "").split("/")
    return first + "".join(part.capitalize() for part in rest)
