"""Every kind of teacher, one file each. To add one: write the file, add its line."""

from lumde.teachers.base import Teacher
from lumde.teachers.foundation import FoundationTeacher
from lumde.teachers.maps import MapsTeacher
from lumde.teachers.onnx import OnnxTeacher
from lumde.teachers.run import RunTeacher

TEACHERS: dict[str, type[Teacher]] = {
    "run": RunTeacher,
    "foundation": FoundationTeacher,
    "onnx": OnnxTeacher,
    "maps": MapsTeacher,
}
