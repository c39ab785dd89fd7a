// What XenCenter makes of documents in other_config and of answers of plugins, with .NET's XmlDocument.
//
//   mcs -r:System.Xml.dll -out:XenCenterViews.exe XenCenterViews.cs && mono XenCenterViews.exe FOLDER
//
// FOLDER holds documents, named NUMBER.KEY as in other_config; answers are named by their roots. One JSON value a document, a line each, in the order of
// the names; what they mean is in tests/client_views/clients.rs. The rules were read in xenadmin's
// XenModel/DockerContainers.cs, DockerContainer.cs, VM_Docker_Info.cs, VM_Docker_Version.cs and XenAdmin's
// TabPages/GeneralTabPage.cs, DockerDetailsPage.cs and DockerProcessPage.cs.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Xml;

static class XenCenterViews
{
    // A culture that writes 1.5 as 1,5: numbers are read in that of the user.
    static readonly CultureInfo Culture = CultureInfo.GetCultureInfo("de-DE");

    static int Main(string[] arguments)
    {
        var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false));
        var files = Directory.GetFiles(arguments[0]);
        System.Array.Sort(files, string.CompareOrdinal);
        foreach (var file in files)
        {
            var name = Path.GetFileName(file);
            // Not ReadAllText, which would take a byte order mark away.
            var text = new UTF8Encoding(false, true).GetString(File.ReadAllBytes(file));
            var key = name.Split('.')[1];
            string found;
            try
            {
                switch (key)
                {
                    case "docker_ps": found = List(text); break;
                    case "docker_inspect": found = Tree(text); break;
                    case "docker_top": found = Processes(text); break;
                    default: found = Description(text, key); break;
                }
            }
            catch (Exception error)
            {
                found = Member("error", Text(error.GetType().Name + ": " + error.Message));
            }
            output.Write("{" + Member("document", Text(name)) + "," + found + "}\n");
        }
        output.Flush();
        return 0;
    }

    // Every element `entry`, wherever it is, is a container; two with the same id are one.
    static string List(string text)
    {
        var document = new XmlDocument();
        document.LoadXml(text);
        var ids = new HashSet<string>();
        var rows = new List<string>();
        foreach (XmlNode entry in document.GetElementsByTagName("entry"))
        {
            var id = Child(entry, "id");
            ids.Add(id);
            var status = Child(entry, "status");
            var state = status.Contains("Paused") ? "paused"
                : status.StartsWith("Up", StringComparison.Ordinal) ? "running" : "halted";
            rows.Add("{" + string.Join(",",
                Member("id", Text(id)),
                Member("name", Text(Child(entry, "names"))),
                Member("status", Text(status)),
                Member("state", Text(state)),
                Member("commands", Texts(Commands(state))),
                Member("container", Text(Child(entry, "container"))),
                Member("created", Created(Child(entry, "created"))),
                Member("image", Text(Child(entry, "image"))),
                Member("command", Text(Child(entry, "command"))),
                Member("ports", Texts(Ports(entry)))) + "}");
        }
        return Member("rows", Array(rows)) + "," + Member("objects", ids.Count.ToString(CultureInfo.InvariantCulture));
    }

    static string[] Commands(string state)
    {
        switch (state)
        {
            case "running": return new[] { "stop", "restart", "pause" };
            case "paused": return new[] { "unpause" };
            default: return new[] { "start" };
        }
    }

    // The local time that it becomes, as seconds of the epoch; what is no number or no date is shown as it is.
    static string Created(string text)
    {
        try
        {
            var epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
            var local = epoch.AddSeconds(double.Parse(text, Culture)).ToLocalTime();
            return ((long)(local.ToUniversalTime() - epoch).TotalSeconds).ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception)
        {
            return Text(text);
        }
    }

    // The markup of a list of ports is parsed once more, within a root; what does not parse is no port.
    static List<string> Ports(XmlNode entry)
    {
        var found = new List<string>();
        foreach (XmlNode child in entry.ChildNodes)
        {
            if (child.Name != "ports")
            {
                continue;
            }
            try
            {
                var document = new XmlDocument();
                document.LoadXml("<root>" + child.InnerXml + "</root>");
                foreach (XmlNode item in document.GetElementsByTagName("item"))
                {
                    var pieces = new List<string>();
                    foreach (var piece in new[] { "IP", "PublicPort", "PrivatePort", "Type" })
                    {
                        var value = Child(item, piece);
                        if (value != "")
                        {
                            pieces.Add(piece + " " + value);
                        }
                    }
                    found.Add(string.Join("; ", pieces));
                }
            }
            catch (XmlException)
            {
                found.Clear();
            }
            break;
        }
        return found;
    }

    // The children of every element named like the key, by their names.
    static string Description(string text, string key)
    {
        var document = new XmlDocument();
        document.LoadXml(text);
        var fields = new List<string>();
        var seen = new HashSet<string>();
        foreach (XmlNode root in document.GetElementsByTagName(key))
        {
            foreach (XmlNode child in root.ChildNodes)
            {
                if (seen.Add(child.Name))
                {
                    fields.Add(Member(child.Name, Text(child.InnerText)));
                }
            }
        }
        return Member("fields", "{" + string.Join(",", fields) + "}");
    }

    // The root is not shown, whatever it is called.
    static string Tree(string text)
    {
        var document = new XmlDocument();
        document.LoadXml(text);
        return Member("tree", Nodes(document.DocumentElement));
    }

    // An element is a node with a label, and what is in it; anything else is a leaf.
    static string Nodes(XmlNode parent)
    {
        var nodes = new List<string>();
        foreach (XmlNode child in parent.ChildNodes)
        {
            if (child.NodeType == XmlNodeType.Element)
            {
                var label = child.Name == "SPECIAL_XS_ENCODED_ELEMENT" ? child.Attributes["name"].Value : child.Name;
                nodes.Add("[" + Text(label) + "," + Nodes(child) + "]");
            }
            else
            {
                nodes.Add(Text(child.NodeType == XmlNodeType.Text ? child.Value : child.Name));
            }
        }
        return Array(nodes);
    }

    // Every element `Process`, wherever it is, is a row; what it lacks is that of the row before.
    static string Processes(string text)
    {
        var document = new XmlDocument();
        document.LoadXml(text);
        string id = "", command = "", time = "";
        var rows = new List<string>();
        foreach (XmlNode process in document.GetElementsByTagName("Process"))
        {
            foreach (XmlNode child in process.ChildNodes)
            {
                switch (child.Name)
                {
                    // Throws if there is no text.
                    case "PID": id = child.ChildNodes[0].Value; break;
                    case "CMD": command = child.ChildNodes[0].Value; break;
                    case "TIME": time = child.ChildNodes[0].Value; break;
                }
            }
            rows.Add(Texts(new[] { id, command, time }));
        }
        return Member("processes", Array(rows));
    }

    // The text of the first child with a name; nothing if there is none.
    static string Child(XmlNode parent, string name)
    {
        foreach (XmlNode child in parent.ChildNodes)
        {
            if (child.Name == name)
            {
                return child.InnerText;
            }
        }
        return "";
    }

    static string Member(string name, string value)
    {
        return Text(name) + ":" + value;
    }

    static string Texts(IEnumerable<string> texts)
    {
        var all = new List<string>();
        foreach (var text in texts)
        {
            all.Add(Text(text));
        }
        return Array(all);
    }

    static string Array(List<string> values)
    {
        return "[" + string.Join(",", values) + "]";
    }

    static string Text(string text)
    {
        var json = new StringBuilder("\"");
        foreach (var unit in text)
        {
            if (unit < 0x20 || unit > 0x7e || unit == '"' || unit == '\\')
            {
                json.AppendFormat(CultureInfo.InvariantCulture, "\\u{0:x4}", (int)unit);
            }
            else
            {
                json.Append(unit);
            }
        }
        return json.Append('"').ToString();
    }
}
