package scripts_test

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// New rejects invalid options, and names the option and the invalid argument.
func TestScriptOptionsRefused(t *testing.T) {
	tests := []struct {
		name   string
		option rawhttp.FileOption
		want   []string
	}{
		{"an extension without a dot", rawhttp.WithScript("py", "python3"), []string{"WithScript", `"py"`}},
		{"no extension", rawhttp.WithScript("", "python3"), []string{"WithScript", `""`}},
		{"a dot", rawhttp.WithScript(".", "python3"), []string{"WithScript", `"."`}},
		{"two dots", rawhttp.WithScript(".tar.gz", "sh"), []string{"WithScript", `".tar.gz"`}},
		{"a slash", rawhttp.WithScript(".a/b", "sh"), []string{"WithScript", `".a/b"`}},
		{"a NUL", rawhttp.WithScript(".a\x00", "sh"), []string{"WithScript", `".a\x00"`}},
		{"an interpreter without a name", rawhttp.WithScript(".py", ""), []string{"WithScript", "interpreter"}},
		{"an interpreter without a name, with arguments", rawhttp.WithScript(".py", "", "-u"), []string{"WithScript", "interpreter"}},
		{"an interpreter with a NUL", rawhttp.WithScript(".py", "sh\x00"), []string{"WithScript", "NUL"}},
		{"an argument with a NUL", rawhttp.WithScript(".py", "sh", "-\x00"), []string{"WithScript", "NUL"}},
		{".bat", rawhttp.WithScript(".bat"), []string{"WithScript", `".bat"`}},
		{".cmd", rawhttp.WithScript(".cmd", "cmd.exe", "/c"), []string{"WithScript", `".cmd"`}},
		{".BaT", rawhttp.WithScript(".BaT", "sh"), []string{"WithScript", `".BaT"`}},
		{".CMD", rawhttp.WithScript(".CMD"), []string{"WithScript", `".CMD"`}},
		{"an interpreter that is a .bat", rawhttp.WithScript(".py", "run.bat"), []string{"WithScript", `"run.bat"`}},
		{"an interpreter that is a .CMD", rawhttp.WithScript(".py", `tools/run.CMD`, "x"), []string{"WithScript", `run.CMD`}},
		{"an unknown output", rawhttp.WithScriptOutput(rawhttp.ScriptPlain + 1), []string{"WithScriptOutput(ScriptOutput(3))"}},
		{"a negative time limit", rawhttp.WithScriptTimeout(-1), []string{"WithScriptTimeout(-1ns)"}},
		{"the lowest time limit", rawhttp.WithScriptTimeout(math.MinInt64), []string{"WithScriptTimeout(-"}},
		{"a negative number of scripts", rawhttp.WithMaxScripts(-1), []string{"WithMaxScripts(-1)"}},
		{"a variable without a name", rawhttp.WithScriptEnv("HOME", ""), []string{"WithScriptEnv", `""`}},
		{"a variable with a value", rawhttp.WithScriptEnv("A=b"), []string{"WithScriptEnv", `"A=b"`}},
		{"a variable with a NUL", rawhttp.WithScriptEnv("A\x00"), []string{"WithScriptEnv", `"A\x00"`}},
		{"a method without a name", rawhttp.WithScriptMethods("PUT", ""), []string{"WithScriptMethods", `""`}},
		{"a method that is not a token", rawhttp.WithScriptMethods("PUT, DELETE"), []string{"WithScriptMethods", `"PUT, DELETE"`}},
		{"a method with a line feed", rawhttp.WithScriptMethods("PUT\r\nX: y"), []string{"WithScriptMethods", `"PUT\r\nX: y"`}},
		{"CONNECT", rawhttp.WithScriptMethods("CONNECT"), []string{"WithScriptMethods", "CONNECT"}},
		{"TRACE", rawhttp.WithScriptMethods("PUT", "TRACE"), []string{"WithScriptMethods", "TRACE"}},
		{"two invalid methods", rawhttp.WithScriptMethods("TRACE", "a b", "PUT"), []string{"TRACE", `"a b"`}},
		{"two invalid variables", rawhttp.WithScriptEnv("A=b", "HTTP_HOST"), []string{`"A=b"`, "HTTP_HOST"}},
	}
	for _, name := range []string{
		"HTTP_PROXY", "HTTP_", "HTTP_X", "REQUEST_METHOD", "QUERY_STRING", "PATH_INFO", "PATH_TRANSLATED", "SCRIPT_NAME", "SCRIPT_FILENAME", "REQUEST_URI", "HTTPS",
		"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "GATEWAY_INTERFACE", "CONTENT_LENGTH", "CONTENT_TYPE",
		"REMOTE_ADDR", "REMOTE_HOST", "REMOTE_USER", "REMOTE_IDENT", "AUTH_TYPE",
	} {
		tests = append(tests, struct {
			name   string
			option rawhttp.FileOption
			want   []string
		}{"a variable of the request: " + name, rawhttp.WithScriptEnv(name), []string{"WithScriptEnv", name}})
	}
	root := t.TempDir()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, open := range []func() error{
				func() error { s, err := rawhttp.New(rawhttp.WithRoot(root), tt.option); closeServer(s); return err },
				func() error { _, err := rawhttp.Dir(root, tt.option); return err },
			} {
				err := open()
				if err == nil {
					t.Fatal("no error")
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q, want one that contains %s", err, want)
					}
				}
			}
		})
	}
}

func closeServer(s *rawhttp.Server) {
	if s != nil {
		s.Close()
	}
}

// New accepts valid options.
func TestScriptOptionsAccepted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		option rawhttp.FileOption
	}{
		{"no time limit", rawhttp.WithScriptTimeout(0)}, {"a time limit", rawhttp.WithScriptTimeout(time.Hour)},
		{"any number", rawhttp.WithMaxScripts(0)}, {"one", rawhttp.WithMaxScripts(1)},
		{"no variables", rawhttp.WithScriptEnv()}, {"variables", rawhttp.WithScriptEnv("HOME", "PATH", "LD_LIBRARY_PATH", "http_proxy", "HTTPS_PROXY", "LANG")},
		{"path info", rawhttp.WithScriptPathInfo(true)}, {"no path info", rawhttp.WithScriptPathInfo(false)},
		{"no methods", rawhttp.WithScriptMethods()}, {"methods that are allowed anyway", rawhttp.WithScriptMethods("GET", "HEAD", "POST", "POST", "OPTIONS")},
		{"methods", rawhttp.WithScriptMethods("PUT", "PROPFIND", "M-SEARCH", "put")},
		{"auto", rawhttp.WithScriptOutput(rawhttp.ScriptAuto)}, {"CGI", rawhttp.WithScriptOutput(rawhttp.ScriptCGI)}, {"plain", rawhttp.WithScriptOutput(rawhttp.ScriptPlain)},
	} {
		// The options are allowed even if no script runs.
		for _, opts := range [][]rawhttp.Option{{rawhttp.WithRoot(t.TempDir())}, {rawhttp.WithFS(fstest.MapFS{})}} {
			s, err := rawhttp.New(append(opts, tt.option)...)
			if err != nil {
				t.Errorf("%s: New = %v, want nil", tt.name, err)
				continue
			}
			s.Close()
		}
	}
}

func TestScriptOutputString(t *testing.T) {
	for o, want := range map[rawhttp.ScriptOutput]string{rawhttp.ScriptAuto: "auto", rawhttp.ScriptCGI: "cgi", rawhttp.ScriptPlain: "plain", 3: "ScriptOutput(3)", 255: "ScriptOutput(255)"} {
		if got := o.String(); got != want {
			t.Errorf("ScriptOutput(%d).String() = %q, want %q", uint8(o), got, want)
		}
	}
}

// Scripts must be files on disk, so WithScript without a folder is an error.
func TestScriptOptionsWithoutFolder(t *testing.T) {
	fsys := fstest.MapFS{"x.sh": {Data: []byte("echo")}}
	script := rawhttp.WithScript(".sh", "sh")
	for _, tt := range []struct {
		name string
		open func() error
		want string // the option that the error names
	}{
		{"WithFS", func() error { _, err := rawhttp.New(rawhttp.WithFS(fsys), script); return err }, "WithScript"},
		{"FS", func() error { _, err := rawhttp.FS(fsys, script); return err }, "WithScript"},
		{"FS of os.DirFS", func() error { _, err := rawhttp.FS(os.DirFS("."), script); return err }, "WithScript"},
		{"WithResolver", func() error { _, err := rawhttp.New(rawhttp.WithResolver(answerText("")), script); return err }, "WithRoot"},
		{"no other option", func() error { _, err := rawhttp.New(script); return err }, "WithRoot"},
	} {
		if err := tt.open(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s with WithScript: error %v, want one that names %s", tt.name, err, tt.want)
		}
	}
}

// New names each interpreter that is missing or is not a program.
func TestScriptInterpreterMissing(t *testing.T) {
	if !testkit.RunsScripts {
		_, err := rawhttp.New(rawhttp.WithRoot(t.TempDir()), rawhttp.WithScript(".sh", "sh"))
		if err == nil || !strings.Contains(err.Error(), "WithScript") || !strings.Contains(err.Error(), runtime.GOOS) {
			t.Errorf("New with WithScript = %v, want an error that says that there are no scripts on %s", err, runtime.GOOS)
		}
		return
	}
	root, tools := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(tools, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(tools, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(tools, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(tools)
	tests := []struct {
		name, path string
		words      []string
		missing    bool
		why        string
	}{
		{"in PATH", tools, []string{"tool", "-x"}, false, ""},
		{"in a later folder of PATH", "/missing:" + root + ":" + tools, []string{"tool"}, false, ""},
		{"by its path", "", []string{tools + "/tool"}, false, ""},
		{"by a relative path", "", []string{"./tool"}, false, "a name with a slash is a path"},
		{"missing", tools, []string{"no-such-tool"}, true, ""},
		{"at a missing path", tools, []string{tools + "/no-such-tool"}, true, ""},
		{"that cannot be executed", tools, []string{"text"}, true, ""},
		{"that cannot be executed, by its path", tools, []string{tools + "/text"}, true, ""},
		{"that is a folder", tools, []string{"folder"}, true, ""},
		{"in the working directory, not in PATH", root, []string{"tool"}, true, "the working directory may be the folder that is served"},
		{"in the working directory, with an empty PATH", "", []string{"tool"}, true, "an empty PATH does not mean the working directory"},
		{"in the working directory, named by PATH", root + "::.", []string{"tool"}, true, "os/exec reports ErrDot"},
		{"with a blank in its name", tools, []string{"tool -x"}, true, "no shell splits the name into words"},
		{"that is too long", tools, []string{strings.Repeat("a", 5000)}, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			s, err := rawhttp.New(rawhttp.WithRoot(root), rawhttp.WithScript(".x", tt.words...))
			closeServer(s)
			if isMissing := err != nil; isMissing != tt.missing {
				t.Fatalf("New with the interpreter %q and PATH=%s = %v, want an error: %v\nwhy: %s", tt.words, tt.path, err, tt.missing, tt.why)
			}
			if tt.missing && !strings.Contains(err.Error(), `"`+tt.words[0]+`"`) {
				t.Errorf("New: error %q, want one that names %q", err, tt.words[0])
			}
		})
	}
	_, err := rawhttp.New(rawhttp.WithRoot(root), rawhttp.WithScript(".a", "missing-a"), rawhttp.WithScript(".b", "missing-b"), rawhttp.WithMaxHeaderBytes(1))
	for _, want := range []string{`"missing-a"`, `"missing-b"`, "WithMaxHeaderBytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want every error, including %s", err, want)
		}
	}
}
