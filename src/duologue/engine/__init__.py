"""The engine: what all sessions of a process share. Models and their threads, the tick, admission."""

from duologue.engine.admission import Admission
from duologue.engine.config import EngineConfig
from duologue.engine.engine import Engine
from duologue.engine.model_adapters import ModelTextToSpeech
from duologue.engine.recognizers import ModelSpeechToText, Recognizer

__all__ = ["Admission", "Engine", "EngineConfig", "ModelSpeechToText", "ModelTextToSpeech", "Recognizer"]
