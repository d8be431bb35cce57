// Why: Hadoop's own client decides what an answer means. How: run by `java -cp ... THIS_FILE
// webhdfs://host:port /namespace/directory`, it does what programs do with a file system, compares
// every result with what HDFS gives, and prints one JSON line at the end. A difference ends it.
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.BlockLocation;
import org.apache.hadoop.fs.ContentSummary;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FsStatus;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathIsNotEmptyDirectoryException;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.permission.FsAction;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.ipc.RemoteException;
import org.apache.hadoop.security.AccessControlException;

public class HadoopOperations {
  private static FileSystem fs;
  private static Path top;
  private static int checks = 0;

  public static void main(String[] args) throws Exception {
    Configuration conf = new Configuration();
    conf.setBoolean("ipc.client.fallback-to-simple-auth-allowed", true);
    URI uri = URI.create(args[0]);
    fs = FileSystem.get(uri, conf);
    top = new Path(fs.getUri().toString() + args[1]);
    int names = Integer.parseInt(args[2]);
    fs.delete(top, true);
    check("mkdirs", true, fs.mkdirs(top));
    readsAndSeeks();
    creates();
    lists();
    renames(conf);
    deletes();
    attributes();
    refusals();
    int listed = oddNames(names);
    System.out.println("{\"checks\":" + checks + ",\"names\":" + listed + "}");
    fs.close();
  }

  private static void readsAndSeeks() throws Exception {
    byte[] bytes = new byte[3_000_000];
    new Random(7).nextBytes(bytes);
    Path file = new Path(top, "bytes");
    write(file, bytes, false);
    FileStatus status = fs.getFileStatus(file);
    check("length", 3_000_000L, status.getLen());
    check("is a file", true, status.isFile());
    check("has a block size", true, status.getBlockSize() > 0);
    check("owner", System.getProperty("user.name"), status.getOwner());
    byte[] read = new byte[bytes.length];
    try (FSDataInputStream in = fs.open(file)) {
      in.readFully(0, read);
      check("whole file", true, Arrays.equals(bytes, read));
      for (int at : new int[] {2_999_999, 0, 1_234_567, 1_234_568, 5}) {
        in.seek(at);
        check("position", (long) at, in.getPos());
        check("byte at " + at, bytes[at] & 0xff, in.read());
      }
      byte[] part = new byte[1000];
      in.readFully(2_000_000, part);
      check("part", true, Arrays.equals(Arrays.copyOfRange(bytes, 2_000_000, 2_001_000), part));
      in.seek(3_000_000);
      check("at the end", -1, in.read());
      expect(EOFException.class, () -> { in.readFully(2_999_990, part); return null; });
    }
    BlockLocation[] blocks = fs.getFileBlockLocations(status, 0, status.getLen());
    long covered = 0;
    for (BlockLocation block : blocks) {
      check("block offset", covered, block.getOffset());
      check("hosts of a cached block", 1, block.getHosts().length);
      covered += block.getLength();
    }
    check("blocks cover the file", 3_000_000L, covered);
    check("block at an offset", 1, fs.getFileBlockLocations(file, 1, 1).length);
    expect(FileNotFoundException.class, () -> fs.open(new Path(top, "missing")));
    expect(FileNotFoundException.class, () -> fs.open(top));
    expect(FileNotFoundException.class, () -> fs.getFileStatus(new Path(top, "missing")));
    check("exists", false, fs.exists(new Path(top, "missing")));
  }

  private static void creates() throws Exception {
    Path file = new Path(top, "created");
    write(file, "one".getBytes(), false);
    expect(FileAlreadyExistsException.class, () -> { write(file, "two".getBytes(), false); return null; });
    check("not replaced", "one", text(file));
    write(file, "three".getBytes(), true);
    check("replaced", "three", text(file));
    write(new Path(top, "empty"), new byte[0], true);
    check("empty", 0L, fs.getFileStatus(new Path(top, "empty")).getLen());
    check("nothing in it", "", text(new Path(top, "empty")));
    Path deep = new Path(top, "a/b/c/deep");
    write(deep, "deep".getBytes(), false);
    check("parents", true, fs.getFileStatus(new Path(top, "a/b")).isDirectory());
    expect(FileNotFoundException.class, () -> {
      fs.createNonRecursive(new Path(top, "no/parent"), FsPermission.getFileDefault(),
          EnumSet.of(CreateFlag.CREATE), 4096, (short) 1, 1 << 20, null).close();
      return null;
    });
    expect(FileAlreadyExistsException.class, () -> { write(new Path(top, "a"), new byte[1], true); return null; });
    expect(FileAlreadyExistsException.class, () -> fs.mkdirs(file));
    check("createNewFile", false, fs.createNewFile(file));
  }

  private static void lists() throws Exception {
    Set<String> found = new HashSet<>();
    RemoteIterator<LocatedFileStatus> files = fs.listFiles(top, true);
    while (files.hasNext()) {
      LocatedFileStatus file = files.next();
      found.add(file.getPath().toUri().getPath().substring(top.toUri().getPath().length()));
      check("blocks of a listed file", file.getLen() > 0, file.getBlockLocations().length > 0);
    }
    check("listFiles", new HashSet<>(Arrays.asList("/bytes", "/created", "/empty", "/a/b/c/deep")), found);
    check("listStatus of a file", 1, fs.listStatus(new Path(top, "created")).length);
    check("listStatus", 4, fs.listStatus(top).length);
    check("globStatus", 2, fs.globStatus(new Path(top, "{created,by*}")).length);
    RemoteIterator<FileStatus> batches = fs.listStatusIterator(top);
    int batched = 0;
    while (batches.hasNext()) { batches.next(); batched += 1; }
    check("listStatusIterator", 4, batched);
    ContentSummary summary = fs.getContentSummary(top);
    check("summary files", 4L, summary.getFileCount());
    check("summary directories", 4L, summary.getDirectoryCount());
    check("summary length", 3_000_009L, summary.getLength());
    check("quota usage", 8L, fs.getQuotaUsage(top).getFileAndDirectoryCount());
    check("the root has namespaces", true, fs.listStatus(new Path("/")).length > 0);
    expect(FileNotFoundException.class, () -> fs.listStatus(new Path(top, "missing")));
  }

  private static void renames(Configuration conf) throws Exception {
    Path from = new Path(top, "from");
    Path to = new Path(top, "to");
    write(new Path(from, "x"), "x".getBytes(), false);
    check("rename a directory", true, fs.rename(from, to));
    check("it is gone", false, fs.exists(from));
    check("it is there", "x", text(new Path(to, "x")));
    write(new Path(top, "y"), "y".getBytes(), false);
    check("into a directory", true, fs.rename(new Path(top, "y"), to));
    check("there under its name", "y", text(new Path(to, "y")));
    check("a missing source", false, fs.rename(new Path(top, "missing"), new Path(top, "z")));
    check("onto a file", false, fs.rename(new Path(to, "x"), new Path(to, "y")));
    check("below itself", false, fs.rename(to, new Path(to, "below")));
    check("to a missing parent", false, fs.rename(new Path(to, "x"), new Path(top, "no/x")));
    FileContext context = FileContext.getFileContext(fs.getUri(), conf);
    context.rename(new Path(to, "x"), new Path(to, "y"), Options.Rename.OVERWRITE);
    check("replaced by rename", "x", text(new Path(to, "y")));
    expect(FileNotFoundException.class, () -> {
      context.rename(new Path(to, "x"), new Path(to, "z"), Options.Rename.NONE);
      return null;
    });
  }

  private static void deletes() throws Exception {
    Path directory = new Path(top, "to");
    expect(PathIsNotEmptyDirectoryException.class, () -> fs.delete(directory, false));
    check("delete a file", true, fs.delete(new Path(directory, "y"), false));
    check("delete it again", false, fs.delete(new Path(directory, "y"), false));
    fs.mkdirs(new Path(directory, "below/below"));
    check("delete a directory", true, fs.delete(directory, true));
    check("it is gone", false, fs.exists(directory));
  }

  private static void attributes() throws Exception {
    Path file = new Path(top, "created");
    fs.setPermission(file, new FsPermission((short) 0600));
    check("permission", "rw-------", fs.getFileStatus(file).getPermission().toString());
    fs.setOwner(file, "somebody", "some");
    check("owner", "somebody", fs.getFileStatus(file).getOwner());
    check("group", "some", fs.getFileStatus(file).getGroup());
    check("replication", true, fs.setReplication(file, (short) 1));
    fs.setTimes(file, 1_600_000_000_123L, 1_600_000_001_456L);
    check("time of modification", 1_600_000_000_123L, fs.getFileStatus(file).getModificationTime());
    check("time of access", 1_600_000_001_456L, fs.getFileStatus(file).getAccessTime());
    fs.setTimes(file, -1, 1_600_000_002_000L);
    check("time that stays", 1_600_000_000_123L, fs.getFileStatus(file).getModificationTime());
    fs.access(file, FsAction.READ_WRITE);
    check("no attributes", 0, fs.getXAttrs(file).size());
    check("no attribute names", 0, fs.listXAttrs(file).size());
    check("no access list", 0, fs.getAclStatus(file).getEntries().size());
    FsStatus room = fs.getStatus(top);
    check("room", true, room.getCapacity() > 0 && room.getRemaining() <= room.getCapacity());
    check("defaults", 0L, fs.getServerDefaults(top).getTrashInterval());
    check("home", "/user/" + System.getProperty("user.name"), fs.getHomeDirectory().toUri().getPath());
    check("trash", true, fs.getTrashRoot(file).toUri().getPath().contains("/.Trash/"));
    check("no token", null, fs.getDelegationToken("me"));
  }

  private static void refusals() throws Exception {
    Path file = new Path(top, "created");
    unsupported(() -> fs.append(file));
    unsupported(() -> fs.truncate(file, 1));
    unsupported(() -> { fs.concat(file, new Path[] {new Path(top, "empty")}); return null; });
    unsupported(() -> fs.getFileChecksum(file));
    unsupported(() -> fs.createSnapshot(top, "s"));
    expect(AccessControlException.class, () -> fs.mkdirs(new Path("/no-such-namespace")));
    check("still there", "three", text(file));
  }

  /** Names that URLs, JSON and shells treat in their own ways; Hadoop itself refuses a colon. */
  private static int oddNames(int count) throws Exception {
    Path directory = new Path(top, "odd names");
    String[] odd = {" ", "+", "%", "%2F", "&", "=", "#", "?", ";", ",", "'", "\"", "<", ">", "[", "]", "{", "}", "|",
      "\\", "^", "~", "`", "!", "@", "$", "(", ")", "*", "\t", "\u00e9", "e\u0301", "\u4e2d", "\ud83d\ude00", "\u2028"};
    ExecutorService pool = Executors.newFixedThreadPool(8);
    List<Callable<Void>> writes = new ArrayList<>();
    Set<String> expected = new HashSet<>();
    for (int n = 0; n < count; n += 1) {
      String name = "n" + n + odd[n % odd.length] + odd[(n / odd.length) % odd.length] + "x";
      expected.add(name);
      writes.add(() -> {
        write(new Path(directory, name), name.getBytes(StandardCharsets.UTF_8), false);
        return null;
      });
    }
    for (Future<Void> written : pool.invokeAll(writes)) written.get();
    List<String> found = new ArrayList<>();
    List<Callable<String>> reads = new ArrayList<>();
    RemoteIterator<LocatedFileStatus> files = fs.listFiles(directory, false);
    while (files.hasNext()) {
      Path path = files.next().getPath();
      found.add(path.getName());
      reads.add(() -> text(path));
    }
    List<String> texts = new ArrayList<>();
    for (Future<String> read : pool.invokeAll(reads)) texts.add(read.get());
    check("content of odd names", found, texts);
    pool.shutdown();
    check("each name once", count, found.size());
    check("odd names", expected, new HashSet<>(found));
    Path moved = new Path(top, "moved + % names");
    check("moved", true, fs.rename(directory, moved));
    check("all moved", count, fs.listStatus(moved).length);
    check("deleted", true, fs.delete(moved, true));
    return found.size();
  }

  private static void write(Path path, byte[] bytes, boolean overwrite) throws IOException {
    try (FSDataOutputStream out = fs.create(path, overwrite)) {
      out.write(bytes);
    }
  }

  private static String text(Path path) throws IOException {
    try (FSDataInputStream in = fs.open(path)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static void check(String what, Object expected, Object actual) {
    checks += 1;
    if (!java.util.Objects.equals(expected, actual))
      throw new AssertionError(what + ": expected " + expected + ", was " + actual);
  }

  private static void expect(Class<? extends Exception> wanted, Callable<?> call) {
    try {
      Object result = call.call();
      throw new AssertionError("expected " + wanted + ", was " + result);
    } catch (Exception thrown) {
      checks += 1;
      if (!wanted.isInstance(thrown)) throw new AssertionError("expected " + wanted, thrown);
    }
  }

  private static void unsupported(Callable<?> call) {
    try {
      throw new AssertionError("expected a refusal, was " + call.call());
    } catch (Exception thrown) {
      checks += 1;
      boolean is = thrown instanceof UnsupportedOperationException
          || (thrown instanceof RemoteException
              && ((RemoteException) thrown).getClassName().equals("java.lang.UnsupportedOperationException"));
      if (!is) throw new AssertionError("expected an unsupported operation", thrown);
    }
  }
}
