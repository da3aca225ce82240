# HAR 1.2, what must be there: true, or a sentence for each entry that is not.
def texts(f): all(f; type == "string");
def pairs: type == "array" and all(.[]; texts(.name, .value));
# Of what was posted; a file of bytes has no text.
def params: type == "array" and all(.[]; texts(.name, (.value // "")));
def size: type == "number" and . == floor and . >= -1;
def iso: test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$");

def request:
  texts(.method, .url, .httpVersion)
  and all(.cookies, .headers, .queryString; pairs)
  and all(.headersSize, .bodySize; size)
  and (.postData | . == null or
       (texts(.mimeType) and (.params | params)));

def response:
  texts(.statusText, .httpVersion, .redirectURL)
  and all(.status, .headersSize, .bodySize; size)
  and all(.cookies, .headers; pairs)
  and all(.cookies[]; .expires == null or (.expires | iso))
  and (.content | (.size | size) and texts(.mimeType));

# A body is as large as it travelled, but for what its coding saved.
def body:
  .content.size - (.content.compression // 0) == ([.bodySize, 0] | max);

# The parts of a time are the whole of it.
def times:
  (.timings | all(.send, .wait, .receive; type == "number" and . >= 0))
  and ((.timings | .send + .wait + .receive) - .time | fabs) < 0.0005;

def entry:
  (.startedDateTime | iso) and (.cache | type) == "object"
  and (.request | request) and (.response | response and body) and times;

.log
| .version == "1.2" and (.creator | texts(.name, .version))
  and ([.entries[] | select(entry | not) | .request.url]
       | . == [] or error("no HAR 1.2: " + tostring))
